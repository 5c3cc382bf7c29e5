from __future__ import annotations

from pathlib import Path

import pytest

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.report.estimate import time_left
from raise_hpo.report.facts import WorkClock, compare, cost, milestones, ranking, seconds_per_epoch, turnaround
from tests.report.studies import curve, make_study


def test_the_gain_is_taken_at_the_best_trials_epoch(finished: StudyFolder) -> None:
    history = finished.history()
    compared = compare(history)
    assert compared.best is not None and compared.default is not None
    assert compared.epoch == 9
    assert compared.default_value == compared.default.values[9]
    assert compared.gain == pytest.approx(1 - compared.best.values[9] / compared.default.values[9])
    assert compared.gain > 0


def test_there_is_no_gain_while_the_default_is_behind() -> None:
    history = History(_events([("default", [0.9]), ("tpe", [0.8, 0.7])]))
    compared = compare(history)
    assert (compared.epoch, compared.value, compared.default_value, compared.gain) == (2, 0.7, None, None)


@pytest.mark.parametrize(("mode", "values", "gain"), [("min", (0.8, 0.6), 0.25), ("max", (0.5, 0.75), 0.5)])
def test_a_better_value_is_a_positive_gain_in_both_modes(mode: str, values: tuple[float, float], gain: float) -> None:
    history = History(_events([("default", [values[0]]), ("tpe", [values[1]])], mode=mode))
    assert compare(history).gain == pytest.approx(gain)


def test_a_default_of_zero_gives_no_share() -> None:
    assert compare(History(_events([("default", [0.0]), ("tpe", [-1.0])]))).gain is None


def test_ranking_puts_further_before_better_and_leaves_failures_out() -> None:
    events = _events([("tpe", [0.1]), ("tpe", [0.9, 0.5]), ("tpe", [0.9, 0.4]), ("tpe", [0.2, 0.0])])
    events.append(
        {"event": "failed", "trial": 3, "kind": "oom", "cause": "x", "attempt": 1, "retry": False, "time": 9.0}
    )
    assert [trial.number for trial in ranking(History(events))] == [2, 1, 0]


def test_the_last_milestone_is_the_best(taken_up: StudyFolder) -> None:
    history = taken_up.history()
    steps = list(milestones(history))
    best = history.best()
    assert best is not None
    assert len(steps) == history.epochs == steps[-1].epochs
    assert (steps[-1].best, steps[-1].best_epoch) == (best.value, best.epoch)
    assert [step.time for step in steps] == sorted(step.time for step in steps)


def test_time_at_work_leaves_out_what_lies_between_sessions() -> None:
    history = History()
    history.sessions = [[100.0, 110.0], [500.0, 520.0]]
    clock = WorkClock(history)
    assert [clock(at) for at in (100, 105, 110, 300, 500, 512)] == [0, 5, 10, 10, 10, 22]
    assert clock.resumes() == [10]


def test_turnaround_is_from_a_stays_end_to_the_next_first_batch(finished: StudyFolder) -> None:
    # The simulated slots take a trial at once; its first batch comes 0.8 s later.
    assert turnaround(finished.history()) == pytest.approx(0.8)


def test_turnaround_does_not_count_the_time_without_a_driver(taken_up: StudyFolder) -> None:
    assert turnaround(taken_up.history()) == pytest.approx(0.8)


def test_cost_adds_up_workers_and_energy(root: Path) -> None:
    folder = make_study(root / "cost", curve=curve, budget={"trials": 3}, scheduler="none", max_epochs=4)
    history = folder.history()
    spent = cost(history)
    seconds = sum(metrics["seconds"] for trial in history.trials for metrics in trial.metrics.values())
    assert spent.epochs == 12
    assert spent.kwh == pytest.approx(30 * seconds / 3.6e6)
    assert spent.worker_hours == pytest.approx((seconds + 3 * 0.9) / 3600)
    assert (spent.metered, spent.gpu_busy) == (1.0, None)


def test_time_left_of_a_study_without_early_stopping_is_what_it_takes(root: Path) -> None:
    def even(config: object, epoch: int) -> dict[str, float]:
        return {"val_loss": 1.0 / epoch}

    folder = make_study(
        root / "even", curve=even, search_space={"output_dim": "choice([40])", "num_node_messages": "choice([1])"},
        default=None, searcher="random", scheduler="none", max_epochs=6, budget={"trials": 10}, slots=2, reports=30,
    )  # fmt: skip
    history = folder.history()
    estimate = time_left(history, history.sessions[-1][1])
    # 30 of 60 epochs are left, on two slots.
    assert estimate is not None
    assert estimate.seconds == pytest.approx(15 * (seconds_per_epoch(history) or 0), rel=0.02)
    assert "6.0 epochs a trial" in estimate.how


def test_time_left_follows_the_budget_that_ends_first(broken_off: StudyFolder) -> None:
    history = broken_off.history()
    now = history.sessions[-1][1]
    history.study["budget"] = {"trials": 10_000, "epochs": history.epochs + 4, "hours": 100.0}
    estimate = time_left(history, now)
    assert estimate is not None and "4 epochs of the budget" in estimate.how
    history.study["budget"] = {"trials": 10_000, "epochs": None, "hours": (history.seconds + 60) / 3600}
    estimate = time_left(history, now + 20)
    assert estimate is not None and estimate.seconds == pytest.approx(40)


def test_nothing_is_estimated_before_the_first_report() -> None:
    assert time_left(History(_events([])), 1.0) is None


def _events(trials: list[tuple[str, list[float]]], mode: str = "min") -> list[dict[str, object]]:
    """A journal in which trials with a source and values run one after another, a second an epoch."""
    study = {"objective": {"metric": "loss", "mode": mode}, "max_epochs": 10, "budget": {"trials": 5}}
    events: list[dict[str, object]] = [{"event": "study", "name": "made", "study": study, "slots": 1, "time": 0.0}]
    time = 0.0
    for number, (source, values) in enumerate(trials):
        events.append({"event": "suggested", "trial": number, "config": {"lr": 1.0}, "source": source, "time": time})
        for epoch, value in enumerate(values, 1):
            time += 1.0
            report = {"event": "reported", "trial": number, "epoch": epoch, "metrics": {"loss": value}, "time": time}
            events.append(report)
    return events
