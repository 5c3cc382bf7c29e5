"""Trials whose workers change: who has how many, that no place is given twice, that a killed driver goes on alike."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_hpo.decide import DecisionCore, Run, Wait
from raise_hpo.drive.simulator import Costs
from raise_hpo.elastic import Places
from raise_hpo.history import Decision, History
from raise_hpo.journal import Event
from raise_hpo.study import StudySpec

from .helpers import DEFAULT, SPACE, decisions, killed_and_resumed, simulator, spec

ASHA = {"asha": {"mode": "promotion"}}


def elastic(workers: Any = 1, survivors: int | None = None, **changes: Any) -> StudySpec:
    """A study whose rungs are after the epochs 1 and 3, of 9."""
    resources = {"workers": workers, "survivors": survivors}
    return spec(**{"scheduler": ASHA, "default": False, "resources": resources, **changes})


def begun(study: StudySpec, slots: int, places: int | None = None) -> tuple[DecisionCore, list[Event]]:
    events: list[Event] = []
    core = DecisionCore(study, events.extend, clock=lambda: float(len(events)))
    core.begin("elastic", slots, {}, places)
    return core, events


def start(core: DecisionCore) -> Run:
    action = core.next()
    assert isinstance(action, Run)
    core.started(action.trial.number, "here", "0", action.workers, 0.0)
    return action


def report(core: DecisionCore, number: int, epoch: int, loss: float, saved: bool = True) -> Decision:
    return core.report(number, epoch, {"val_loss": loss}, f"{number}/{epoch}" if saved else None)


def check(events: list[Event]) -> None:
    """No more places are held than there are, and none while another trial has them."""
    held: dict[int, int] = {}
    places = 0
    for event in events:
        kind = event["event"]
        if kind in ("study", "resumed", "capacity"):
            places = event["places"]
            held = {} if kind == "resumed" else held
        if kind == "started":
            assert event["trial"] not in held
            held[event["trial"]] = event["workers"]
            assert sum(held.values()) <= places, event
        if kind in ("finished", "failed") or event.get("decision") in ("pause", "stop", "grow"):
            held.pop(event["trial"], None)


# By rung


def test_a_promoted_trial_has_the_workers_of_its_rung() -> None:
    core, events = begun(elastic({"rung 0": 1, "rung 1": 4}), 4)
    assert [start(core).workers for _ in range(4)] == [1, 1, 1, 1]
    for number in range(4):
        assert report(core, number, 1, [1.0, 0.5, 2.0, 3.0][number]).action == "pause"
    promoted = start(core)
    assert (promoted.trial.number, promoted.workers) == (1, 4)
    told = next(event for event in events if event.get("decision") == "resume")
    assert told["workers"] == 4
    assert told["why"].endswith("1st of 4, the best goes on; goes on with 4 workers, as from rung 1 on")
    assert isinstance(core.next(), Wait)
    assert [stay.workers for stay in core.history.trials[1].stays] == [1, 4]


def test_a_trial_that_needs_more_places_waits_and_nothing_overtakes_it() -> None:
    core, events = begun(elastic({"rung 0": 1, "rung 1": 2}, budget={"trials": 9}), 4)
    for _ in range(4):
        start(core)
    for number in range(3):
        report(core, number, 1, [0.5, 1.0, 2.0][number])
    # Three of the four places are free: trial 0 takes two, and a new trial the last one.
    assert [start(core).workers for _ in range(2)] == [2, 1]
    assert core.history.trials[4].state == "running"
    report(core, 3, 1, 0.4)
    report(core, 4, 1, 0.3)
    assert start(core).workers == 2
    assert isinstance(core.next(), Wait)
    check(events)


def test_a_trial_that_goes_on_at_once_grows_at_its_rung() -> None:
    core, events = begun(elastic({"rung 0": 1, "rung 2": 4}, scheduler={"asha": {"mode": "stopping"}}), 4)
    start(core)
    assert report(core, 0, 1, 1.0).action == "continue"
    assert report(core, 0, 2, 1.0).action == "continue"
    decision = report(core, 0, 3, 1.0)
    assert (decision.action, decision.workers) == ("grow", 4)
    assert decision.why == "rung of epoch 3: 1st of 1, the best goes on; goes on with 4 workers, as from rung 2 on"
    assert start(core).workers == 4
    assert [event["epoch"] for event in events if event["event"] == "started"] == [0, 3]
    assert report(core, 0, 4, 1.0).action == "continue"


def test_the_default_grows_too() -> None:
    history = run(elastic({"rung 0": 1, "rung 1": 2, "rung 2": 4}, default=True), slots=4)
    assert [(stay.epoch, stay.workers) for stay in history.trials[0].stays] == [(0, 1), (1, 2), (3, 4)]


def test_where_there_are_fewer_places_a_trial_has_those_there_are() -> None:
    core, _ = begun(elastic({"rung 0": 1, "rung 1": 8}), 3)
    for _ in range(3):
        start(core)
    for number in range(3):
        report(core, number, 1, float(number))
    assert start(core).workers == 3
    core.has_capacity(1, ["a"])
    assert core.failed(0, "lost", "its node is gone")
    assert start(core).workers == 1
    core.has_capacity(16, ["a", "b"])
    assert report(core, 0, 2, 1.0).workers == 8


def test_a_trial_does_not_grow_where_it_would_train_an_epoch_again() -> None:
    core, _ = begun(elastic(1, survivors=4, scheduler="none", budget={"trials": 1}), 4)
    start(core)
    report(core, 0, 1, 1.0)
    core.next()
    assert report(core, 0, 2, 1.0, saved=False).action == "continue"
    assert report(core, 0, 3, 1.0).action == "grow"


def test_with_fewer_places_than_a_trial_starts_with_the_study_waits() -> None:
    core, _ = begun(elastic(2, survivors=4), 1, 2)
    start(core)
    core.has_capacity(0, ["a"], 1)
    core.failed(0, "error", "broken")
    assert isinstance(core.next(), Wait)
    assert len(core.history.trials) == 1
    core.has_capacity(1, ["a"], 2)
    assert start(core).trial.number == 1


# Survivors


def test_the_last_trials_share_the_places_that_are_free() -> None:
    core, events = begun(elastic(1, survivors=8, scheduler="none", budget={"trials": 2}), 8)
    start(core), start(core)
    assert report(core, 0, 1, 1.0).action == "continue", "a new trial may come"
    assert isinstance(core.next(), Wait)
    assert core.history.exhausted == 2
    first = report(core, 0, 2, 1.0)
    assert (first.action, first.workers) == ("grow", 4)
    assert first.why.endswith("; goes on with 4 workers: 7 places are free and no new trials come")
    assert start(core).workers == 4
    assert report(core, 1, 1, 1.0).workers == 4
    assert start(core).workers == 4
    for epoch in range(2, 6):
        assert report(core, 1, epoch, 1.0).action == "continue"
    core.failed(0, "error", "broken")
    assert report(core, 1, 6, 1.0).workers == 8
    check(events)


@pytest.mark.parametrize(("epoch", "action"), [(7, "grow"), (8, "continue")])
def test_who_is_nearly_done_does_not_grow(epoch: int, action: str) -> None:
    core, _ = begun(elastic(1, survivors=8, scheduler="none", budget={"trials": 1}), 8)
    start(core)
    for before in range(1, epoch):
        report(core, 0, before, 1.0)
    core.next()
    assert report(core, 0, epoch, 1.0).action == action


def test_who_comes_to_a_rung_next_grows_behind_it() -> None:
    core, _ = begun(elastic(1, survivors=8, scheduler={"asha": {"min_epochs": 3}}, budget={"trials": 1}), 8)
    start(core)
    report(core, 0, 1, 1.0)
    core.next()
    assert [report(core, 0, epoch, 1.0).action for epoch in (2, 3)] == ["continue", "grow"]
    assert start(core).workers == 8


def test_survivors_leave_the_places_that_others_wait_for() -> None:
    stopping = {"asha": {"min_epochs": 4, "mode": "stopping"}}
    study = elastic({"rung 0": 1, "rung 1": 4}, survivors=4, scheduler=stopping, budget={"trials": 2})
    core, _ = begun(study, 5)
    start(core), start(core)
    core.next()
    for epoch in (1, 2, 3):
        report(core, 0, epoch, 1.0, saved=False)
    assert report(core, 0, 4, 1.0).workers == 4
    assert report(core, 1, 1, 1.0).action == "continue", "with two workers it would be in the other one's way"
    assert start(core).workers == 4


def test_survivors_at_least_double() -> None:
    core, _ = begun(elastic(2, survivors=8, scheduler="none", budget={"trials": 1}), 1, 3)
    start(core)
    core.next()
    assert report(core, 0, 1, 1.0).action == "continue"


def test_without_survivors_nobody_grows_at_the_end() -> None:
    history = run(elastic({"rung 0": 1, "rung 1": 2}, budget={"trials": 6}), slots=8)
    assert {stay.workers for trial in history.trials for stay in trial.stays} == {1, 2}


def test_survivors_make_a_study_shorter_and_its_decisions_are_in_the_journal() -> None:
    fixed, free = (run(elastic(1, survivors, budget={"trials": 30}), slots=16) for survivors in (None, 8))
    assert free.seconds < 0.8 * fixed.seconds
    grown = [decision for trial in free.trials for decision in trial.decisions.values() if decision.workers]
    assert grown and all("workers: " in decision.why and "no new trials come" in decision.why for decision in grown)
    assert fixed.busy_fraction() < free.busy_fraction() <= 1.0


# In all


def run(study: StudySpec, **how: Any) -> History:
    events: list[Event] = []
    assert simulator(study, events, **how).run()
    if study.elastic:
        check(events)
    return History(events)


def test_busy_places_are_counted_and_not_trials() -> None:
    events: list[Event] = []
    core = DecisionCore(elastic({"rung 0": 1, "rung 1": 4}, budget={"trials": 1}), events.extend, clock=lambda: now[0])
    now = [0.0]
    core.begin("busy", 4, {})
    core.next()
    core.started(0, "here", "0", 4, 0.0)
    now[0] = 10.0
    report(core, 0, 1, 1.0)
    now[0] = 20.0
    core.stop("stopped", "enough")
    assert core.history.busy_fraction() == pytest.approx(0.5)


@pytest.mark.parametrize("mode", ["promotion", "stopping"])
def test_killed_anywhere_and_resumed_it_decides_the_same(mode: str) -> None:
    """One trial at a time: with two of three places at first, and all three from the first rung on."""
    study = elastic({"rung 0": 2, "rung 1": 4}, survivors=4, scheduler={"asha": {"mode": mode}}, budget={"trials": 15})
    check_killed_and_resumed(study, places=3, workers={2, 3}, seeds=5)


def check_killed_and_resumed(study: StudySpec, places: int, workers: set[int], seeds: int) -> None:
    """Trials have these numbers of workers, and all is decided alike whenever the driver is killed."""
    events: list[Event] = []
    assert simulator(study, events, slot_workers=places).run()
    assert {stay.workers for trial in History(events).trials for stay in trial.stays} == workers
    for seed in range(seeds):
        killed = killed_and_resumed(study, random.Random(seed), range(1, 12), slot_workers=places)
        assert any(event["event"] == "resumed" for event in killed)
        assert decisions(killed) == decisions(events)
        assert workers_decided(killed) == workers_decided(events)
        check(killed)


def workers_decided(events: list[Event]) -> list[Any]:
    return [event.get("workers") for event in events if event["event"] == "decided"]


@pytest.mark.parametrize("scheduler", [ASHA, "hyperband", {"pbt": {"population": 4}}, "curve"])
def test_a_core_that_is_given_the_journal_decides_as_the_one_that_wrote_it(scheduler: Any) -> None:
    study = elastic({"rung 0": 1, "rung 1": 2}, survivors=8, scheduler=scheduler, budget={"trials": 12})
    events: list[Event] = []
    made = simulator(study, events, slots=8)
    asked = made.core.report

    def twice(*arguments: Any) -> Decision:
        again: list[Event] = []
        fresh = DecisionCore(study, again.extend, DEFAULT, clock=made.clock, events=list(events))
        count = len(events)
        decision, same = asked(*arguments), fresh.report(*arguments)
        assert (decision, events[count:]) == (same, again)
        return decision

    made.core.report = twice  # type: ignore[method-assign]
    assert made.run()
    assert any(event.get("decision") == "grow" for event in events)
    check(events)


@st.composite
def cases(draw: st.DrawFn) -> tuple[StudySpec, int, int]:
    """A study whose trials may differ in their workers, and how many slots of how many places there are."""
    counts = [draw(st.integers(1, 2))]
    for _ in range(2):
        counts.append(counts[-1] * draw(st.sampled_from([1, 2, 3])))
    workers = {f"rung {rung}": count for rung, count in enumerate(counts)}
    most = draw(st.none() | st.integers(counts[-1], 24))
    mode = draw(st.sampled_from(["promotion", "stopping"]))
    space = {**SPACE, "resources.workers": f"choice({sorted({*counts})})"}
    searched: dict[str, Any] = {"search_space": space} if draw(st.booleans()) else {}
    study = elastic(
        counts[0] if searched else workers, most, scheduler={"asha": {"mode": mode}}, default=draw(st.booleans()),
        limits={"attempts": 99}, budget={"trials": draw(st.integers(1, 14))},
        checkpoints={"every": draw(st.integers(1, 4))}, **searched,
    )  # fmt: skip
    return study, draw(st.integers(1, 8)), draw(st.integers(counts[0], 5))


@settings(max_examples=60, deadline=None)
@given(cases(), st.booleans(), st.integers(0, 99))
def test_whatever_happens_no_place_is_given_twice_and_each_trial_ends(
    case: tuple[StudySpec, int, int], breaks: bool, seed: int
) -> None:
    study, slots, slot_workers = case
    if not study.elastic:
        return
    rng = random.Random(seed)
    often = Costs(failures_per_node_hour=60, recovery_seconds=5, slots_per_node=2) if breaks else Costs()
    how: dict[str, Any] = {"slots": slots, "slot_workers": slot_workers, "costs": often, "seed": seed}
    events: list[Event] = []
    done = False
    while not done:
        more: list[Event] = []
        begins = events[-1]["time"] if events else 0.0
        done = simulator(study, more, before=list(events), start=begins, **how).run(reports=rng.randrange(5, 40))
        events += more
    check(events)
    history = History(events)
    assert history.state == "finished"
    assert {trial.state for trial in history.trials} <= {"finished", "stopped"}
    reported = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert set(reported.values()) == {1}
    for trial in history.trials:
        assert sorted(trial.values) == list(range(1, trial.epoch + 1))
    assert history.busy_fraction() <= 1.0


def test_fixed_workers_leave_no_trace_in_the_journal() -> None:
    events: list[Event] = []
    assert simulator(spec(resources={"workers": 2}), events, slots=3).run()
    assert not any("places" in event for event in events)
    assert not any("workers" in event for event in events if event["event"] != "started")
    assert {event["workers"] for event in events if event["event"] == "started"} == {2}
    assert History(events).places == 6


def test_places_are_held_and_given_back() -> None:
    places = Places(elastic({"rung 0": 1, "rung 1": 4}), history := History(), (1, 3))
    history.places = 4
    assert places.fit(4) and not places
    places.hold(0, 3)
    assert (places.free(), places.free(besides=0)) == (1, 4)
    assert 0 in places and places.fit(1) and not places.fit(2)
    places.release(0)
    assert places.free() == 4
