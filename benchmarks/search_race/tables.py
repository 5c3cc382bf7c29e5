"""What the races came to: regrets with intervals, and how many times larger each contestant's regret is than ours."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_race.runs import FRACTIONS, Record

RESAMPLES = 2000


def regret_table(records: Sequence[Record]) -> Iterator[str]:
    """For each task and number of slots the contestants by their median regret, with its 5 to 95 % interval."""
    groups = _grouped(_done(records), lambda record: (record["task"], record["slots"]))
    for (task, slots), group in groups.items():
        yield f"\n{task}, {slots} slots: median normalised regret (bootstrap 5-95 % of it) at shares of the budget"
        yield f"{'contestant':<22}{'seeds':>5}{'seconds':>9}" + "".join(f"{share:>25}" for share in FRACTIONS)
        rows = _grouped(group, lambda record: record["contestant"])
        for name in sorted(rows, key=lambda each: _median(rows[each], "1")):
            yield _regret_row(name, rows[name])


def _regret_row(name: str, records: Sequence[Record]) -> str:
    seconds = float(np.median([record["seconds"] for record in records]))
    cells = "".join(f"{_cell(_regrets(records, share)):>25}" for share in FRACTIONS)
    return f"{name:<22}{len(records):>5}{seconds:>9.1f}{cells}"


def _cell(regrets: NDArray[np.float64]) -> str:
    if not np.isfinite(regrets).all():
        return "not all had reported"
    drawn = regrets[draws(len(regrets))]
    low, high = np.quantile(np.median(drawn, axis=1), [0.05, 0.95])
    return f"{np.median(regrets):.4f} ({low:.4f}-{high:.4f})"


def ratio_table(records: Sequence[Record], ours: str, floor: float) -> Iterator[str]:
    """How many times larger than ours a contestant's regret is at the end of the budget, over seeds and tasks."""
    groups = _grouped(_done(records), lambda record: (record["slots"], record["contestant"]))
    slots = sorted({each for each, _ in groups})
    yield f"\nRegret over that of {ours}, both at the end of the budget; a regret below {floor:g} counts as {floor:g}"
    yield "Geometric mean over seeds and tasks, [its 5 % bound, bootstrap over seeds within tasks], races compared"
    yield f"{'contestant':<22}" + "".join(f"{f'{each} slots':>28}" for each in slots)
    for name in sorted({each for _, each in groups} - {ours}):
        pairs = ((groups.get((each, name), []), groups.get((each, ours), [])) for each in slots)
        yield f"{name:<22}" + "".join(f"{_ratio_cell(theirs, own, floor):>28}" for theirs, own in pairs)


def _ratio_cell(theirs: Sequence[Record], own: Sequence[Record], floor: float) -> str:
    tasks = log_ratios(theirs, own, floor)
    if not tasks:
        return "-"
    mean, bound = geometric_mean(tasks)
    return f"{mean:.2f} [{bound:.2f}] {sum(map(len, tasks))}"


def log_ratios(theirs: Iterable[Record], own: Iterable[Record], floor: float) -> list[NDArray[np.float64]]:
    """For each task the logarithms of regret over our regret, one a seed that both have run."""
    logs: list[dict[tuple[str, int], float]] = [
        {(record["task"], record["seed"]): np.log(max(record["regret"]["1"], floor)) for record in side}
        for side in (theirs, own)
    ]
    both = sorted(logs[0].keys() & logs[1].keys())
    by_task = itertools.groupby(both, key=lambda key: key[0])
    return [np.array([logs[0][key] - logs[1][key] for key in keys]) for _, keys in by_task]


def geometric_mean(tasks: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """The geometric mean over tasks of that over seeds, and its 5 % bound under resampling of seeds."""
    drawn = np.mean([logs[draws(len(logs))].mean(axis=1) for logs in tasks], axis=0)
    mean = np.mean([logs.mean() for logs in tasks])
    return float(np.exp(mean)), float(np.exp(np.quantile(drawn, 0.05)))


def left_out(records: Sequence[Record]) -> Iterator[str]:
    """The races without a result, and why."""
    failed = [record for record in records if record["state"] != "done"]
    counts = Counter((record["contestant"], record["slots"], record["state"], record["cause"]) for record in failed)
    for (name, slots, state, cause), count in sorted(counts.items()):
        yield f"left out: {count} races of {name} with {slots} slots: {state}, {cause}"


def mixed(records: Sequence[Record]) -> Iterator[str]:
    """What was not the same in all races that the tables put together."""
    for task, group in _grouped(_done(records), lambda record: record["task"]).items():
        if len({tuple(record["scale"]) for record in group}) > 1:
            yield f"mixed: the races on {task} were run on different states of its surrogate; give another --results"
    for name, group in _grouped(records, lambda record: record["contestant"]).items():
        if len({record["versions"] for record in group}) > 1:
            yield f"mixed: the races of {name} were run with different versions of it, as listed below"


def versions(records: Sequence[Record]) -> Iterator[str]:
    """With which packages each contestant raced; several where the results are of several times."""
    seen = _grouped(records, lambda record: record["contestant"])
    for name in sorted(seen):
        yield f"  {name:<22}{'; '.join(sorted({record['versions'] for record in seen[name]}))}"


def _done(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["state"] == "done"]


def _grouped(records: Iterable[Record], key: Callable[[Record], Any]) -> dict[Any, list[Record]]:
    groups = defaultdict(list)
    for record in sorted(records, key=lambda record: (record["task"], record["slots"], record["seed"])):
        groups[key(record)].append(record)
    return dict(groups)


def _regrets(records: Sequence[Record], share: str) -> NDArray[np.float64]:
    return np.array([np.inf if record["regret"][share] is None else record["regret"][share] for record in records])


def _median(records: Sequence[Record], share: str) -> float:
    return float(np.median(_regrets(records, share)))


def draws(count: int) -> NDArray[np.int64]:
    """Indices of the bootstrap's resamples, shape (RESAMPLES, count), the same each time."""
    return np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
