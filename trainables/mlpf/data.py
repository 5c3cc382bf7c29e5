"""Events for training: rows of Parquet files, put together in ragged batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raise_hpo.data import open_rows
from raise_hpo.data.columns import Batch, Column, Ragged
from raise_hpo.data.mapped import MappedRows
from raise_hpo.data.rows import MEMORY_GIB
from raise_hpo.data.sources import find_parquet
from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError
from trainables.event_files import named_sources

from .schema import CLASS_NAMES, TOWER, TRACK, WIDTHS, check_events

SAMPLE = Path(__file__).parent / "sample"
"""The folder of the sample that ships with the package, used where the study names no data."""
COLUMNS = {name: (None, WIDTHS[name]) for name in ("X", "ygen")}
"""What training reads of an event file."""
KEYS = ("train", "valid", "max_events", "memory_gib")
"""What the ``data`` section of a study may hold: two event files, how many events of each to use, and in memory."""
_WEIGHED = 2_000_000

EventRows = MappedRows | StreamedRows


@dataclass(frozen=True)
class Events:
    """Some events, their elements one after the other.

    Attributes:
        x: ``(N, 12)``, the elements.
        y: ``(N, 7)``, the generated particle of each.
        sizes: ``(events,)``, the number of elements of each event.
    """

    x: Tensor
    y: Tensor
    sizes: Tensor

    def batches(self, count: int) -> Iterator[Events]:
        """The same events, at most ``count`` at a time."""
        parts = self.sizes.split(count)
        lengths = [int(sizes.sum()) for sizes in parts]
        yield from map(Events, self.x.split(lengths), self.y.split(lengths), parts)


def events_of(batch: Batch) -> Events:
    """The events of a batch of rows; nothing is padded."""
    x, y = batch["X"], batch["ygen"]
    assert isinstance(x, Ragged) and isinstance(y, Ragged)
    return Events(x.values, y.values, x.lengths)


def datasets(data: Mapping[str, Any], cache: Path | None = None) -> tuple[EventRows, EventRows]:
    """Return the training and the validation events that a study's ``data`` section names.

    Args:
        data: ``train`` and ``valid``, both or neither (then the packaged sample), ``max_events``, how many of each to
            use (all if absent), and ``memory_gib``.
        cache: The node's cache.

    Raises:
        UserError: a key is unknown, missing or has an impossible value, or a file cannot be used.
    """
    most, memory = data.get("max_events"), float(data.get("memory_gib", MEMORY_GIB))
    train, valid = (load_events(file, most, cache, memory) for file in named_sources(data, KEYS, "mlpf", SAMPLE))
    return train, valid


def check_data(data: Mapping[str, Any]) -> None:
    """Check a study's ``data`` section and the footers of the files it names.

    Raises:
        UserError: as ``datasets``, but for what only reading the events shows.
    """
    for file in named_sources(data, KEYS, "mlpf", SAMPLE):
        if not _is_remote(file):
            check_events(file, list(COLUMNS))


def _is_remote(file: str | Path) -> bool:
    """Whether it is a URL, or stands for several files."""
    return "://" in str(file) or "*" in str(file) or Path(file).is_dir()


def load_events(
    path: str | Path, max_events: int | None = None, cache: Path | None = None, memory_gib: float = MEMORY_GIB
) -> EventRows:
    """Open an event file; what this process has opened and checked before it takes again if it has not changed since.

    Raises:
        UserError: the file is missing, unreadable, empty, or holds values that cannot be.
    """
    name = str(path)
    if not _is_remote(path):
        check_events(path, list(COLUMNS))
        name = str(Path(path).absolute())
    stamps = tuple(file.stamp() for file in find_parquet(name, cache))
    return _load(name, stamps, max_events, cache, memory_gib)


@lru_cache(maxsize=8)
def _load(
    path: str,
    stamps: tuple[tuple[str, int, str], ...],
    max_events: int | None,
    cache: Path | None,
    memory_gib: float,
) -> EventRows:
    found = open_rows(path, COLUMNS, cache, max_events, memory_gib)
    if isinstance(found, MappedRows):
        _check_values(path, found.columns["X"], found.columns["ygen"])
    return found


def classes(events: EventRows) -> Tensor:
    """The class of each element's particle, ``(N,)``; where events are streamed, of the first two million elements."""
    if isinstance(events, MappedRows):
        return torch.tensor(events.columns["ygen"].values[:, 0])
    found: list[np.ndarray] = []
    for number in range(len(events.groups.groups)):
        found.append(events.groups.read([number])["ygen"].values[:, 0])
        if sum(map(len, found)) >= _WEIGHED:
            break
    return torch.from_numpy(np.concatenate(found))


def _check_values(path: str, x: Column, y: Column) -> None:
    assert x.offsets is not None and y.offsets is not None
    if not np.array_equal(x.offsets, y.offsets):
        raise UserError(f"event file '{path}' is damaged: 'ygen' and 'X' differ in length")
    if not np.diff(x.offsets).all():
        raise UserError(f"event file '{path}' has events without elements")
    if not (np.isfinite(x.values).all() and np.isfinite(y.values).all()):
        raise UserError(f"event file '{path}' holds values that are not finite in 'X' or 'ygen'")
    kinds = (("X", x.values, (TOWER, TRACK)), ("ygen", y.values, range(len(CLASS_NAMES))))
    for column, values, valid in kinds:
        strange = np.setdiff1d(values[:, 0], valid)
        if len(strange):
            raise UserError(f"'{column}' of event file '{path}' has the type {strange[0]:g}; valid: {[*valid]}")
