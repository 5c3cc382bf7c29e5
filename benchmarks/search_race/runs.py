"""Many races: which are still to be run, each in a process of several, and the file that keeps what they came to."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from search_race.contestants import make, versions
from search_race.loop import race
from search_race.tasks import Task

FRACTIONS = {"1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1.0}
"""The shares of the budget at which the regret is looked at."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One race of one contestant."""

    task: Task
    slots: int
    seed: int
    contestant: str

    def key(self) -> tuple[Any, ...]:
        """What tells it from all others, as `key_of` finds it in a record."""
        return self.task.label, self.task.digest, self.slots, self.seed, self.contestant


def key_of(record: Record) -> tuple[Any, ...]:
    """The key of the race that a record is of."""
    return tuple(record[name] for name in ("task", "table", "slots", "seed", "contestant"))


class OverTime(BaseException):
    """A race takes too long; no `Exception`, so that no contestant takes it for an error of its own and goes on."""


def run(entry: Entry, limit: float) -> Record:
    """Run one race for at most so many seconds; what breaks is recorded, with no result made up.

    Seconds are processor time, which other processes do not lengthen.
    """
    label, digest, *rest = entry.key()
    record: Record = dict(zip(("task", "table", "slots", "seed", "contestant"), (label, digest, *rest), strict=True))
    task = warmed(entry.task)
    random.seed(entry.seed)
    np.random.seed(entry.seed)
    began = time.process_time()
    try:
        with _time_limit(limit), _quiet():
            record |= _regrets(entry, task)
    except OverTime:
        record |= {"state": "over time", "cause": f"over {limit:g} s of processor time"}
    except Exception as error:
        record |= {"state": "error", "cause": f"{type(error).__name__}: {error}"[:300]}
    return record | {"seconds": round(time.process_time() - began, 2), "versions": versions(entry.contestant)}


def _regrets(entry: Entry, task: Task) -> Record:
    contestant = make(entry.contestant, task.table.space, task.epochs, entry.seed, entry.slots)
    horizon = task.horizon(entry.slots)
    outcome = race(contestant, task, entry.slots, horizon)
    best = {name: outcome.best(share * horizon * (1 + 1e-9)) for name, share in FRACTIONS.items()}
    regret = {name: None if loss is None else task.regret(loss) for name, loss in best.items()}
    if regret["1"] is None:
        raise RuntimeError("no epoch was done within the budget")
    counts = {"epochs": outcome.epochs, "trials": outcome.trials, "idle": round(outcome.idle, 4)}
    return {"state": "done", "regret": regret, **counts, "scale": [task.surrogate.best, task.surrogate.median]}


@cache
def warmed(task: Task) -> Task:
    """The task with its surrogate, which a process makes once and on no contestant's time."""
    task.regret(0.0)
    return task


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise OverTime

    handler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Peers write much to the terminal, which tells nothing here."""
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def read(path: Path) -> list[Record]:
    """The records of a results file, none if it is not there; a line cut short by a kill is left out."""
    records = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        with contextlib.suppress(json.JSONDecodeError):
            records.append(json.loads(line))
    return records


def run_all(entries: Sequence[Entry], path: Path, processes: int, limit: float) -> None:
    """Run the races that the results file does not have, appending each to it."""
    had = {key_of(record) for record in read(path)}
    todo = [entry for entry in entries if entry.key() not in had]
    print(f"{len(entries)} races, {len(entries) - len(todo)} of them in {path} already", flush=True)
    if not todo:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as results:
        if path.stat().st_size and not path.read_text().endswith("\n"):
            results.write("\n")
        for count, record in enumerate(_records(todo, processes, limit), 1):
            results.write(json.dumps(record) + "\n")
            results.flush()
            print(f"{count}/{len(todo)} {_line(record)}", flush=True)


def _records(todo: Sequence[Entry], processes: int, limit: float) -> Iterator[Record]:
    if processes == 1:
        yield from (run(entry, limit) for entry in todo)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_run, [(entry, limit) for entry in todo])


def _run(job: tuple[Entry, float]) -> Record:
    return run(*job)


def _line(record: Record) -> str:
    where = f"{record['task']} {record['slots']} slots seed {record['seed']} {record['contestant']}"
    if record["state"] != "done":
        return f"{where}: {record['state']}, {record['cause']}"
    return f"{where}: regret {record['regret']['1']:.4f} in {record['seconds']} s"
