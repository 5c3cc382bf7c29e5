"""Events for training: read from Parquet once per process, handed out one by one, put together in ragged batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from raise_hpo.errors import UserError
from raise_hpo.trial.sections import check_data_keys

from .schema import CLASS_NAMES, TOWER, TRACK, check_events, open_events, rows

SAMPLE = Path(__file__).parent / "sample"
"""The folder of the sample that ships with the package, used where the study names no data."""
COLUMNS = ("X", "ygen")
"""What training reads of an event file."""
KEYS = ("train", "valid", "max_events")
"""What the ``data`` section of a study may hold: two event files, and how many events of each to use at most."""


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

    def to(self, device: torch.device, non_blocking: bool = False) -> Events:
        """Return the same events on another device."""
        return Events(*(part.to(device, non_blocking=non_blocking) for part in (self.x, self.y, self.sizes)))


class EventDataset(Dataset[Events]):
    """Events held in memory; one item is one event.

    Args:
        x: ``(N, 12)``, the elements of all events.
        y: ``(N, 7)``, their particles.
        offsets: ``(events + 1,)``: event ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``.
    """

    def __init__(self, x: Tensor, y: Tensor, offsets: Tensor) -> None:
        self.x, self.y, self.offsets = x, y, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Events:
        own = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Events(self.x[own], self.y[own], self.offsets[index + 1 : index + 2] - self.offsets[index])


def collate(events: Sequence[Events]) -> Events:
    """Put events together into a batch; nothing is padded."""
    return Events(*(torch.cat(parts) for parts in zip(*((e.x, e.y, e.sizes) for e in events), strict=True)))


def datasets(data: Mapping[str, Any]) -> tuple[EventDataset, EventDataset]:
    """Return the training and the validation events that a study's ``data`` section names.

    Args:
        data: ``train`` and ``valid``, both or neither (then the packaged sample), and ``max_events``, how many of each
            file to use (all if absent).

    Raises:
        UserError: a key is unknown, missing or has an impossible value, or a file cannot be used.
    """
    train, valid = (load_events(file, data.get("max_events")) for file in _files(data))
    return train, valid


def check_data(data: Mapping[str, Any]) -> None:
    """Check a study's ``data`` section and the footers of the files it names.

    Raises:
        UserError: as ``datasets``, but for what only reading the events shows.
    """
    for file in _files(data):
        check_events(file, COLUMNS)


def _files(data: Mapping[str, Any]) -> list[str | Path]:
    check_data_keys(data, KEYS, "mlpf")
    return [data.get(name) or SAMPLE / f"{name}.parquet" for name in ("train", "valid")]


def load_events(path: str | Path, max_events: int | None = None) -> EventDataset:
    """Read an event file, or take it from memory if this process has read it before and it has not changed since.

    Raises:
        UserError: the file is missing, unreadable, empty, or holds values that cannot be.
    """
    file = Path(path)
    changed = file.stat().st_mtime_ns if file.is_file() else 0
    return _load(file.absolute(), changed, max_events)


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, max_events: int | None) -> EventDataset:
    table = open_events(path, COLUMNS).slice(0, max_events)
    (x, offsets), (y, _) = rows(table, "X"), rows(table, "ygen")
    _check_values(path, x, y, offsets)
    # Copies, as Arrow's memory may not be written to and would stay alive as a whole.
    return EventDataset(*(torch.from_numpy(array.copy()) for array in (x, y, offsets)))


def _check_values(path: Path, x: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> None:
    if len(offsets) == 1 or not np.diff(offsets).all():
        raise UserError(f"event file '{path}' has no events, or some without elements")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError(f"event file '{path}' holds values that are not finite in 'X' or 'ygen'")
    for column, found, valid in (("X", x[:, 0], (TOWER, TRACK)), ("ygen", y[:, 0], range(len(CLASS_NAMES)))):
        strange = np.setdiff1d(found, valid)
        if len(strange):
            raise UserError(f"'{column}' of event file '{path}' has the type {strange[0]:g}; valid: {[*valid]}")
