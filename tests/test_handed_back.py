"""Trials that are handed back go on later, and nothing is decided otherwise for it."""

from __future__ import annotations

import random

import pytest

from raise_hpo.decide import DecisionCore, Done, Run
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.study import StudySpec

from .helpers import DEFAULT, curve, decisions, spec


def play(study: StudySpec, share: float, seed: int = 0, before: list[Event] | None = None) -> list[Event]:
    """Run a study on one slot, and hand back this share of the epochs' ends at which a trial would go on."""
    rng = random.Random(seed)
    events: list[Event] = list(before or [])
    core = DecisionCore(study, events.extend, DEFAULT, clock=lambda: 0.0, events=list(events))
    if before:
        core.go_on(1)
    else:
        core.begin("played", 1, {})
    while isinstance(action := core.next(), Run):
        trial = action.trial
        core.started(trial.number, "n", "0", 1, 0.0)
        while True:
            epoch = (trial.checkpoint[0] if trial.checkpoint else 0) + 1
            decision = core.report(trial.number, epoch, curve(trial.config, epoch), f"{trial.number}-{epoch}")
            if decision.action != "continue":
                break
            if rng.random() < share:
                core.handed_back(trial.number, "another study's turn")
                assert trial.state == "waiting"
                break
    assert isinstance(action, Done)
    return events


@pytest.mark.parametrize("scheduler", ["asha", {"asha": {"mode": "promotion"}}, "hyperband", "pbt", "median", "curve"])
def test_the_decisions_are_those_of_trials_left_alone(scheduler: object) -> None:
    study = spec(scheduler=scheduler)
    disturbed = play(study, 0.5)
    assert any(event["event"] == "handed_back" for event in disturbed)
    assert decisions(disturbed) == decisions(play(study, 0.0))


def test_a_driver_killed_after_a_hand_back_goes_on_with_the_trial() -> None:
    study = spec()
    whole = play(study, 0.5)
    first = next(number for number, event in enumerate(whole) if event["event"] == "handed_back")
    again = play(study, 0.5, seed=1, before=whole[: first + 1])
    assert decisions(again) == decisions(whole)


def test_a_trial_that_was_handed_back_goes_before_new_ones() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(), events.extend, DEFAULT, clock=lambda: 0.0)
    core.begin("two", 2, {})
    numbers = [action.trial.number for action in (core.next(), core.next()) if isinstance(action, Run)]
    for number in numbers:
        core.started(number, "n", "0", 1, 0.0)
        core.report(number, 1, {"val_loss": 1.0}, "there")
    core.handed_back(1, "another study's turn")
    assert core.wanted() == 20
    action = core.next()
    assert isinstance(action, Run) and action.trial.number == 1
    assert History(events).trials[1].state == "waiting"


def test_what_a_study_could_use_falls_as_its_trials_end() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(scheduler="none", max_epochs=1, budget={"trials": 3}), events.extend, DEFAULT)
    core.begin("short", 3, {})
    wanted = []
    for _ in range(3):
        action = core.next()
        assert isinstance(action, Run)
        core.started(action.trial.number, "n", "0", 1, 0.0)
        wanted.append(core.wanted())
        core.report(action.trial.number, 1, {"val_loss": 1.0}, "there")
    assert wanted == [3, 2, 1]
    assert core.wanted() == 0


def test_a_study_without_a_budget_of_trials_could_use_any_number() -> None:
    core = DecisionCore(spec(budget={"epochs": 5}), [].extend, DEFAULT)
    core.begin("endless", 3, {})
    assert core.wanted() > 10**6
