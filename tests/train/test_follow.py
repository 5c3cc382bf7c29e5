"""The driver's journal of a training: each event once and in order, however often drivers are killed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from raise_hpo.history import History
from raise_hpo.journal import Event, Journal
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.train.follow import Follower

STUDY = {"name": "line", "objective": {"metric": "val_loss", "mode": "min"}, "max_epochs": 9}
FIRST = [
    {"event": "study", "name": "line-1/training-1", "study": STUDY, "time": 1.0},
    {"event": "suggested", "trial": 0, "config": {"lr": 0.1}, "source": "default", "time": 1.0},
]


def epoch(number: int) -> Event:
    return {"event": "epoch", "epoch": number, "metrics": {"val_loss": 1.0 / number}, "first_batch": None}


def began(after: int) -> Event:
    return {"event": "began", "session": 1, "epoch": after, "workers": 2, "nodes": ["a", "b"], "time": 2.0}


def saved(number: int) -> Event:
    return {"event": "saved", "epoch": number, "path": f"checkpoints/epoch-{number:05d}.pt"}


RECORD = [
    began(0), epoch(1), saved(1), epoch(2), epoch(3), began(1), epoch(2), saved(2), epoch(3), epoch(4), saved(4),
    {"event": "ended", "session": 1, "state": "finished", "why": "all 4 epochs are trained", "failure": None},
]  # fmt: skip
FAILURE = {"event": "failed", "session": 1, "rank": 1, "kind": "killed", "cause": "a worker process died"}


@pytest.mark.parametrize("seed", range(20))
def test_each_event_is_journaled_once(tmp_path: Path, seed: int) -> None:
    """The writer is anywhere when the driver looks; drivers die at any moment, and lines of their journal are lost."""
    rng = random.Random(seed)
    folder, events = TrainingFolder(tmp_path), list(FIRST)
    follower, history = Follower(folder, events), History(events)
    with Journal(folder.epochs) as record, Journal(folder.failures) as failures:
        for event in RECORD:
            record.append([event])
            if event is RECORD[4]:
                failures.append([FAILURE])
            if rng.random() < 0.4:
                del events[rng.randint(len(FIRST), len(events)) :]
                follower, history = Follower(folder, events), History(events)
            if rng.random() < 0.6:
                look(follower, history, events)
    look(follower, history, events)
    assert [event["epoch"] for event in events if event["event"] == "reported"] == [1, 2, 3, 4]
    assert [event["epoch"] for event in events if event["event"] == "checkpointed"] == [1, 2, 4]
    assert [event["epoch"] for event in events if event["event"] == "started"] == [0, 1]
    assert sum(event["event"] == "failed" for event in events) == 1
    assert history.trials[0].epoch == 4
    assert follower.ended is not None and follower.ended["why"] == "all 4 epochs are trained"


def look(follower: Follower, history: History, events: list[Event]) -> None:
    for group in follower.news(history):
        for event in group:
            events.append(event)
            history.apply(event)


def test_a_failure_is_an_attempt_more(tmp_path: Path) -> None:
    folder, events = TrainingFolder(tmp_path), list(FIRST)
    history = History(events)
    with Journal(folder.epochs) as record, Journal(folder.failures) as failures:
        follower = Follower(folder, events)
        record.append([began(0)])
        look(follower, history, events)
        failures.append([FAILURE])
        look(follower, history, events)
        record.append([began(0)])
        look(follower, history, events)
    started = [event for event in events if event["event"] == "started"]
    assert [(event["attempt"], event["node"], event["workers"]) for event in started] == [
        (1, "a, b", 2),
        (2, "a, b", 2),
    ]
    assert follower.last_failure is not None and follower.last_failure["cause"] == "a worker process died"
