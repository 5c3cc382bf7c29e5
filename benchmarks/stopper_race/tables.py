"""What a stopper saved and what it cost, study by study with the one that had none, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from search_race.runs import Record
from search_race.tables import draws

INTERVAL = 0.025, 0.975

Floats = NDArray[np.float64]


def table(records: Sequence[Record]) -> Iterator[str]:
    """One line for each task, scheduler and stopper."""
    yield (
        f"{'task':<22}{'scheduler':<16}{'stopper':<8}{'seeds':>5}{'trials':>7}{'epochs':>7}{'with':>7}"
        f"{'saved':>25}{'wall time':>24}{'final':>8}{'change':>29}{'least':>8}{'change':>29}{'trusted':>9}{'stops':>7}"
    )
    for with_it, without in pairs(records):
        yield line(with_it, without)


def pairs(records: Sequence[Record]) -> Iterator[tuple[list[Record], list[Record]]]:
    """The studies with a stopper, and in the same order those without, for each task, scheduler and stopper.

    Swift-Hyperband stops by itself: it is compared with Hyperband.
    """
    plain = {(*_group(record), record["seed"]): record for record in records if record["stopper"] == "none"}
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record["stopper"] != "none" or record["scheduler"] == "swift_hyperband":
            groups.setdefault((*_group(record), record["stopper"]), []).append(record)
    for (task, scheduler, _), group in groups.items():
        beside = "hyperband" if scheduler == "swift_hyperband" else scheduler
        both = [record for record in group if (task, beside, record["seed"]) in plain]
        if both:
            yield both, [plain[task, beside, record["seed"]] for record in both]


def _group(record: Record) -> tuple[str, str]:
    return record["task"], record["scheduler"]


def line(with_it: Sequence[Record], without: Sequence[Record]) -> str:
    """The figures of one stopper with one scheduler on one task."""
    first = with_it[0]
    epochs, fewer = column(without, "epochs"), column(with_it, "epochs")
    judged = column(with_it, "judged").sum()
    trusted = f"{column(with_it, 'trusted').sum() / judged:.0%}" if judged else "-"
    changes = "".join(
        f"{column(without, name).mean():>8.4f}{change(with_it, without, name):>29}" for name in ("final", "least")
    )
    return (
        f"{first['task']:<22}{first['scheduler']:<16}{first['stopper']:<8}{len(with_it):>5}{first['trials']:>7}"
        f"{epochs.mean():>7.0f}{fewer.mean():>7.0f}{saved(with_it, without):>25}{wall(with_it, without):>24}"
        f"{changes}{trusted:>9}{column(with_it, 'stopped').mean():>7.1f}"
    )


def saved(with_it: Sequence[Record], without: Sequence[Record]) -> str:
    """The share of all epochs that was not trained."""
    mean, low, high = ratio(column(with_it, "epochs"), column(without, "epochs"))
    return f"{1 - mean:.1%} ({1 - high:.1%} to {1 - low:.1%})"


def wall(with_it: Sequence[Record], without: Sequence[Record]) -> str:
    """Simulated time over that without the stopper."""
    return "{:.3f} ({:.3f} to {:.3f})".format(*ratio(column(with_it, "seconds"), column(without, "seconds")))


def change(with_it: Sequence[Record], without: Sequence[Record], name: str) -> str:
    """The mean change of a regret, paired by seeds."""
    return "{:+.4f} ({:+.4f} to {:+.4f})".format(*mean(column(with_it, name) - column(without, name)))


def column(records: Sequence[Record], name: str) -> Floats:
    """One figure of each study."""
    return np.array([record[name] for record in records], dtype=float)


def ratio(one: Floats, other: Floats) -> tuple[float, float, float]:
    """The sum of one over that of the other, and its interval under resampling of pairs."""
    drawn = draws(len(one))
    low, high = np.quantile(one[drawn].sum(axis=1) / other[drawn].sum(axis=1), INTERVAL)
    return float(one.sum() / other.sum()), float(low), float(high)


def mean(values: Floats) -> tuple[float, float, float]:
    """The mean and its interval under resampling."""
    low, high = np.quantile(values[draws(len(values))].mean(axis=1), INTERVAL)
    return float(values.mean()), float(low), float(high)
