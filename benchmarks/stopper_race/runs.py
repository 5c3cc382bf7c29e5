"""Studies on a virtual clock, each with and without a stopper: what each trained, found and took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search_race.contestants import our_code
from search_race.ours import study
from search_race.runs import Record, read, warmed
from search_race.tasks import Task

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.history import Config, History
from raise_hpo.predict.base import Judgement, Stopper
from raise_hpo.schedule.base import Need

SCHEDULERS: dict[str, Any] = {
    "hyperband": "hyperband",
    "asha-stopping": {"asha": {"mode": "stopping"}},
    "asha-promotion": {"asha": {"mode": "promotion"}},
    "asha-warm": {"asha": {"mode": "promotion"}},
    "swift_hyperband": "swift_hyperband",
}
"""Schedulers by the names they run under; those with ``warm`` begin from an earlier study."""

EARLIER = 10_000
"""What is added to a seed for that of its earlier study."""

FACTOR = 3
"""One trial in so many goes on from a rung, the schedulers' default."""

BUILD, CHECKPOINT, REPORT = 0.5, 0.1, 0.02
"""Building a trial, writing a checkpoint and reporting, in mean epochs."""


@dataclass(frozen=True)
class Entry:
    """One study to simulate."""

    task: Task
    scheduler: str
    stopper: str
    seed: int
    slots: int

    def key(self) -> tuple[Any, ...]:
        """What tells it from all others, as `key_of` finds it in a record."""
        return self.task.label, self.task.digest, self.scheduler, self.stopper, self.seed, self.slots, our_code()


def key_of(record: Record) -> tuple[Any, ...]:
    """The key of the study that a record is of."""
    return tuple(record[name] for name in ("task", "table", "scheduler", "stopper", "seed", "slots", "code"))


class Counted(Stopper):
    """A stopper whose judgements are counted.

    Attributes:
        judged: Judgements in which there were enough curves for a prediction.
        trusted: Those in which the guard let the model predict.
        stopped: Those that stopped the trial.
    """

    def __init__(self, stopper: Stopper) -> None:
        self._stopper = stopper
        self.judged = self.trusted = self.stopped = 0

    def judge(self, trial: int, need: Need, history: History) -> Judgement:
        """The stopper's judgement."""
        judgement = self._stopper.judge(trial, need, history)
        self.judged += judgement.guard is not None
        self.trusted += judgement.guard is not None and judgement.guard.predictor != "last"
        self.stopped += judgement.decision is not None
        return judgement


def run(entry: Entry) -> Record:
    """Simulate one study.

    Seconds are simulated ones, except `thought`: the processor time of the whole simulation.
    """
    task, earlier = warmed(entry.task), _earlier(entry) if entry.scheduler.endswith("warm") else ()
    began = time.process_time()
    core, simulator = simulated(entry, earlier)
    thought = time.process_time() - began
    stopper = core.stopper
    counts = (stopper.judged, stopper.trusted, stopper.stopped) if isinstance(stopper, Counted) else (0, 0, 0)
    losses = {"final": final(core.history), "least": least(core.history)}
    key = ("task", "table", "scheduler", "stopper", "seed", "slots", "code")
    return {
        **dict(zip(key, entry.key(), strict=True)),
        "trials": len(core.history.trials), "epochs": simulator.trained, "seconds": simulator.clock.now,
        **{name: task.regret(loss) for name, loss in losses.items()}, "thought": round(thought, 2),
        **dict(zip(("judged", "trusted", "stopped"), counts, strict=True)),
    }  # fmt: skip


def simulated(entry: Entry, earlier: Sequence[CurveTable] = ()) -> tuple[DecisionCore, Simulator]:
    """A study that was simulated to its end, and its simulator."""
    task = entry.task
    settings = {"searcher": "random", "scheduler": SCHEDULERS[entry.scheduler], "stopper": entry.stopper}
    budget = {"budget": {"trials": trials(task.epochs)}}
    spec = study({**settings, **budget}, task.table.space, task.epochs, entry.seed)
    clock = VirtualClock()
    core = DecisionCore(spec, lambda events: None, clock=clock, earlier=earlier)
    if core.stopper is not None:
        core.stopper = Counted(core.stopper)
    core.begin("stopper", entry.slots, {})

    def metrics(config: Config, epoch: int) -> dict[str, float]:
        return {"val_loss": float(task.surrogate.curve(config)[epoch - 1])}

    simulator = Simulator(core, metrics, entry.slots, clock, task.seconds, costs(task))
    simulator.run()
    return core, simulator


def _earlier(entry: Entry) -> tuple[CurveTable, ...]:
    """The learning curves of a study of the task with the same scheduler, another seed and no stopper."""
    before = replace(entry, stopper="none", seed=entry.seed + EARLIER)
    core, _ = simulated(before)
    return (CurveTable.of_history(core.history, "earlier"),)


def costs(task: Task) -> Costs:
    """What is not training, in proportion to the task's mean epoch."""
    epoch = 1.0 if task.table.seconds is None else float(task.table.seconds.mean())
    return Costs(build_seconds=BUILD * epoch, checkpoint_seconds=CHECKPOINT * epoch, report_seconds=REPORT * epoch)


def trials(epochs: int) -> int:
    """Trials of a study: whole cycles of Hyperband, and as many as ASHA needs to train one of them to the end."""
    ends = 1
    while epochs >= FACTOR**ends:
        ends += 1
    # In whole numbers: ceil(ends / (halvings + 1) * FACTOR ** halvings).
    cycle = sum(-(-ends * FACTOR**halvings // (halvings + 1)) for halvings in range(ends))
    rungs = ends if epochs > FACTOR ** (ends - 1) else ends - 1
    return cycle * -(-(FACTOR**rungs) // cycle)


def final(history: History) -> float:
    """What a study ends with: the last loss of its best trial, one of those that went furthest."""
    best = history.best()
    assert best is not None and best.value is not None
    return history.loss(best.value)


def least(history: History) -> float:
    """The least loss that any trial has reported, at any epoch."""
    return min(history.loss(value) for trial in history.trials for value in trial.values.values())


def run_all(entries: Sequence[Entry], path: Path) -> list[Record]:
    """The records of all studies; those that the results file does not have are simulated and appended to it."""
    had = {key_of(record): record for record in read(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as results:
        for record in _new(entries, had):
            had[key_of(record)] = record
            results.write(json.dumps(record) + "\n")
            results.flush()
    return [had[entry.key()] for entry in entries]


def _new(entries: Sequence[Entry], had: dict[tuple[Any, ...], Record]) -> Iterator[Record]:
    todo = [entry for entry in entries if entry.key() not in had]
    for count, entry in enumerate(todo, 1):
        record = run(entry)
        name = f"{entry.task.label} {entry.scheduler} {entry.stopper} seed {entry.seed}"
        print(f"{count}/{len(todo)} {name}: {record['epochs']} epochs, {record['thought']} s", flush=True)
        yield record
