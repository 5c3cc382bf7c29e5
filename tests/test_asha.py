"""ASHA against the rule of its paper, worked out here from nothing but sorted lists."""

import random

import pytest

from raise_hpo.errors import UserError
from raise_hpo.schedule.asha import ASHA


def reference_stops(losses_so_far: list[float], own: float, factor: int) -> bool:
    """Whether `own`, the last of the losses seen at a rung, is outside the best ``max(1, n // factor)`` of them."""
    places = max(1, len(losses_so_far) // factor)
    return own > sorted(losses_so_far)[places - 1]


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_stopping_follows_the_rule(factor: int) -> None:
    rng = random.Random(factor)
    scheduler = ASHA(max_epochs=27, reduction_factor=factor)
    seen: list[float] = []
    for trial in range(60):
        loss = rng.random()
        seen.append(loss)
        scheduler.on_report(trial, 1, loss)
        assert (scheduler.decide(trial, 1).action == "stop") == reference_stops(seen, loss, factor)


def test_promotion_promotes_the_best_waiting_in_the_highest_rung() -> None:
    scheduler = ASHA(max_epochs=27, mode="promotion")
    losses = {trial: float(trial) for trial in range(9)}
    for trial, loss in reversed(losses.items()):
        scheduler.on_report(trial, 1, loss)
        if scheduler.decide(trial, 1).action == "pause":
            scheduler.on_pause(trial, 1)
    # Descending losses: each newcomer is the best, so from the third on each goes on at once.
    waiting = [trial for trial in losses if trial in scheduler._paused]
    assert waiting == [7, 8]
    assert scheduler.resume() is None
    for trial in (9, 10, 11):
        scheduler.on_report(trial, 1, 100.0)
        scheduler.on_pause(trial, 1)
    assert scheduler.resume() is None, "four places of twelve belong to trials 0 to 3, which have gone on"


def test_rungs_are_powers_of_the_reduction_factor() -> None:
    assert ASHA(max_epochs=100, min_epochs=3).rungs == (3, 9, 27, 81)
    assert ASHA(max_epochs=81, min_epochs=3).rungs == (3, 9, 27)
    assert ASHA(max_epochs=10, min_epochs=1, reduction_factor=2.5).rungs == (1, 2, 6)


def test_min_epochs_beyond_max_epochs_is_refused() -> None:
    with pytest.raises(UserError, match=r"scheduler.asha.min_epochs is 9; valid: 1 to 8"):
        ASHA(max_epochs=9, min_epochs=9)


def test_the_words_say_rank_places_and_what_is_needed() -> None:
    scheduler = ASHA(max_epochs=9)
    for trial, loss in enumerate([0.3, 0.1, 0.2, 0.5]):
        scheduler.on_report(trial, 1, loss)
    assert scheduler.decide(3, 1).why == "rung of epoch 1: 4th of 4, the best goes on (the rung needs 0.1)"


@pytest.mark.parametrize("factor", [2, 2.5, 3, 4])
def test_in_stopping_a_trial_needs_what_lets_it_go_on_when_it_comes_next(factor: float) -> None:
    rng = random.Random(int(10 * factor))
    losses: list[float] = []
    for _ in range(40):
        losses.append(rng.random())
        for off, action in ((-1e-9, "continue"), (1e-9, "stop")):
            scheduler = ASHA(max_epochs=27, reduction_factor=factor)
            for trial, loss in enumerate(losses):
                scheduler.on_report(trial, 1, loss)
            need = scheduler.need(99, 0)
            assert need is not None and need.rung == 1
            scheduler.on_report(99, 1, need.loss + off)
            assert scheduler.decide(99, 1).action == action


def test_in_promotion_a_trial_that_may_still_be_promoted_has_what_it_needs() -> None:
    missed, hopeless = 0, 0
    for seed in range(200):
        losses = random.Random(seed).sample(range(1000), 60)
        scheduler = ASHA(max_epochs=27, mode="promotion")
        for trial, loss in enumerate(losses[:20]):
            scheduler.on_report(trial, 3, loss)
        need = scheduler.need(99, 2)
        assert need is not None
        promoted = losses[20] <= sorted(losses)[19]
        missed += promoted and losses[20] > need.loss
        hopeless += losses[20] > need.loss
    assert missed <= 0.1 * 200 / 3
    assert hopeless > 0.4 * 200


def test_a_rung_with_fewer_trials_than_places_needs_nothing() -> None:
    scheduler = ASHA(max_epochs=27, mode="promotion")
    assert scheduler.need(0, 1) is None
    scheduler.on_report(1, 3, 0.5)
    assert scheduler.need(0, 1) is None
    assert scheduler.need(0, 9) is None, "past the last rung nobody is compared"
