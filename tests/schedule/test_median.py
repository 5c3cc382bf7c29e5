"""The median stopping rule against its formula, worked out anew from all curves for each decision."""

import random
from statistics import fmean, median

import pytest

from raise_hpo.errors import UserError
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.schedule.median import MedianStopping

from ..helpers import curve, simulator, spec


def reference_stops(curves: dict[int, list[float]], trial: int, grace: int, least: int) -> bool:
    """The rule of Golovin et al. 2017, section 3.2.2, over all trials that have got as far."""
    own = curves[trial]
    epoch = len(own)
    others = [losses for number, losses in curves.items() if number != trial and len(losses) >= epoch]
    if epoch < grace or len(others) < least:
        return False
    return min(own) > median(fmean(losses[:epoch]) for losses in others)


@pytest.mark.parametrize(("grace", "least"), [(1, 1), (2, 3), (5, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_it_follows_the_formula(grace: int, least: int, seed: int) -> None:
    rng = random.Random(seed)
    scheduler = MedianStopping(20, grace_epochs=grace, min_trials=least)
    curves: dict[int, list[float]] = {trial: [] for trial in range(25)}
    running, stopped = set(curves), 0
    while running:
        trial = rng.choice(sorted(running))
        # Coarse losses, so that some averages are equal.
        curves[trial].append(round(rng.gauss(trial % 5, 1.0)) + 1 / len(curves[trial] or [1]))
        epoch = len(curves[trial])
        scheduler.on_report(trial, epoch, curves[trial][-1])
        stops = scheduler.decide(trial, epoch).action == "stop"
        assert stops == reference_stops(curves, trial, grace, least)
        stopped += stops
        if stops or epoch == 19:
            running.remove(trial)
            scheduler.on_end(trial)
    assert stopped >= 5


def test_grace_is_a_tenth_of_the_epochs_unless_told() -> None:
    assert MedianStopping(100).grace_epochs == 10
    assert MedianStopping(5).grace_epochs == 1
    assert MedianStopping(1).grace_epochs == 1
    assert MedianStopping(100, grace_epochs=3).grace_epochs == 3


def test_a_grace_beyond_the_end_is_refused() -> None:
    with pytest.raises(UserError, match=r"scheduler.median.grace_epochs is 9; valid: 1 to 8 \(max_epochs is 9\)"):
        MedianStopping(9, grace_epochs=9)


def test_the_words_say_what_was_compared() -> None:
    scheduler = MedianStopping(9, min_trials=2)
    for trial, loss in enumerate([0.1, 0.3, 0.25]):
        scheduler.on_report(trial, 1, loss)
    assert scheduler.decide(2, 1).why == (
        "best loss up to epoch 1 is 0.25, worse than 0.2, the median of the average losses of 2 other trials"
    )
    assert MedianStopping(100).decide(0, 1).why == "none is stopped before epoch 10"


@pytest.mark.parametrize("slots", [1, 4])
def test_in_a_study_it_stops_early_and_keeps_the_best(slots: int) -> None:
    events: list[Event] = []
    study = spec(scheduler="median", max_epochs=20, budget={"trials": 60})
    assert simulator(study, events, slots=slots).run()
    history = History(events)
    counts = history.counts()
    assert counts["paused"] == 0 and counts["stopped"] > 20 and counts["finished"] > 5
    best = min(history.trials, key=lambda trial: curve(trial.config, 1)["val_loss"])
    assert best.state == "finished"
