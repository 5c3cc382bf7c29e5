"""The curve scheduler: promotion by predicted loss, where that is better than by the last one."""

import numpy as np
import pytest

from raise_hpo.schedule.asha import ASHA
from raise_hpo.schedule.curve import CurveScheduler
from raise_hpo.space import SearchSpace

SPACE = SearchSpace.parse({"decay": "uniform(0, 1)", "width": "uniform(0, 1)"})


def fill(scheduler: ASHA, crossing: float, trials: int = 40) -> None:
    """Trials that all reach epoch 9, and more that wait at epoch 3; `crossing` decides how much late losses turn."""
    rng = np.random.default_rng(0)
    for trial in range(trials):
        config = SPACE.sample(rng)
        scheduler.on_start(trial, config)
        last = 9 if trial < trials - 10 else 3
        for epoch in range(1, last + 1):
            early = config["width"] + 0.1 * (10 - epoch)
            scheduler.on_report(trial, epoch, early + crossing * (0.5 - config["decay"]) * max(0, epoch - 3) / 6)
        if last == 3:
            scheduler.on_pause(trial, 3)


def waiting_with_high_decay(scheduler: CurveScheduler) -> list[bool]:
    top = scheduler._best(scheduler._rungs[3], scheduler._lifted(scheduler._rungs[3]))
    return [bool(scheduler._curves.units[trial][0] > 0.5) for trial in top]


def test_a_trial_that_will_overtake_goes_first() -> None:
    scheduler = CurveScheduler(27, SPACE, 1)
    fill(scheduler, crossing=2.0)
    assert scheduler._lifted(scheduler._rungs[3]) is not None
    assert np.mean(waiting_with_high_decay(scheduler)) > 0.8
    trial, why = scheduler.resume() or (None, "")
    assert "by predicted loss" in why
    assert scheduler._curves.units[trial][0] > 0.5


def test_where_the_last_value_says_all_it_is_asha() -> None:
    ours, reference = CurveScheduler(27, SPACE, 1), ASHA(27, mode="promotion")
    for scheduler in (ours, reference):
        fill(scheduler, crossing=0.0)
    assert ours._lifted(ours._rungs[3]) is None
    assert ours.resume() == reference.resume()


def test_while_trials_are_few_it_is_asha() -> None:
    ours, reference = CurveScheduler(27, SPACE, 1), ASHA(27, mode="promotion")
    for scheduler in (ours, reference):
        fill(scheduler, crossing=2.0, trials=9)
    for trial, epoch in ((0, 3), (5, 3), (8, 3)):
        assert ours.decide(trial, epoch) == reference.decide(trial, epoch)


def test_the_words_say_the_place() -> None:
    scheduler = CurveScheduler(27, SPACE, 1)
    fill(scheduler, crossing=2.0)
    top = scheduler._best(scheduler._rungs[3], scheduler._lifted(scheduler._rungs[3]))
    assert scheduler.decide(top[1], 3).why == ("rung of epoch 3: 2nd of 40 by predicted loss, the best 13 go on")
    worst = next(trial for trial in range(40) if trial not in top)
    assert scheduler.decide(worst, 3).action == "pause"
    assert "not among the best 13" in scheduler.decide(worst, 3).why


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(2, (1,)), (9, (1, 3)), (20, (2, 6, 18)), (24, (3, 9)), (100, (3, 9, 27, 81))]
)
def test_trials_are_judged_from_the_third_epoch_on_or_the_first_eighth(epochs: int, rungs: tuple[int, ...]) -> None:
    assert CurveScheduler(epochs, SPACE, 1).rungs == rungs
    assert CurveScheduler(epochs, SPACE, 1, min_epochs=1).rungs[0] == 1
