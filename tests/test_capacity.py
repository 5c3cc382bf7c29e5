"""Nodes that come and go, in the journal and in what is folded from it."""

from __future__ import annotations

from raise_hpo.decide import DecisionCore
from raise_hpo.history import History
from raise_hpo.journal import Event
from tests.helpers import DEFAULT, spec


def test_only_news_are_journaled_with_what_was_lost_and_joined() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(), events.extend, DEFAULT, clock=lambda: 0.0)
    core.begin("s", 4, {})
    for slots, nodes in ((4, ("a", "b")), (4, ("a", "b")), (2, ("a",)), (4, ("a", "c"))):
        core.has_capacity(slots, nodes)
    told = [(event["slots"], event["lost"], event["joined"]) for event in events if event["event"] == "capacity"]
    assert told == [(4, [], []), (2, ["b"], []), (4, [], ["c"])]
    assert core.history.nodes == ["a", "c"] and History(events).slots == 4


def test_another_session_begins_without_knowing_nodes() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(), events.extend, DEFAULT, clock=lambda: 0.0)
    core.begin("s", 4, {})
    core.has_capacity(4, ("a", "b"))
    core.go_on(2)
    core.has_capacity(2, ("c",))
    assert [event["lost"] for event in events if event["event"] == "capacity"] == [[], []]


def test_slots_that_were_lost_do_not_count_as_idle() -> None:
    def at(time: float, kind: str, **more: object) -> Event:
        return {"event": kind, "time": time, **more}

    history = History(
        [
            at(0, "study", name="s", study=spec().resolved(), versions={}, slots=2),
            at(0, "suggested", trial=0, config=DEFAULT, source="default"),
            at(0, "started", trial=0, node="a", slot="0", attempt=1, workers=1, epoch=0, began=0.0),
            at(10, "capacity", slots=1, nodes=["a"], lost=["b"], joined=[]),
            at(30, "reported", trial=0, epoch=1, metrics={"val_loss": 1.0}),
        ]
    )
    assert history.busy_fraction() == 30 / (2 * 10 + 1 * 20)
