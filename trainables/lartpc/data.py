"""Images for training: compressed once a node, shared by all its trials, decompressed a batch at a time.

As in the talk, images are kept compressed in memory; unlike there, the processes of a node share one copy. Each plane
of an event is a compressed image of its own, so that a network that sees one plane decompresses one.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from raise_hpo.data import CompressedStore, node_copy
from raise_hpo.errors import UserError
from trainables.event_files import named_sources

from .readout import dense
from .schema import Event, EventFiles, Shape, open_events

SAMPLE = Path(__file__).parent / "sample"
"""The folder of the sample that ships with the package, used where the study names no data."""
KEYS = ("train", "valid", "max_events")
"""What the ``data`` section of a study may hold: two event files, and how many events of each to use at most."""

_FORMAT = 1
_IMAGES, _LABELS, _MOMENTA = "images", "labels.npy", "momenta.npy"


@dataclass(frozen=True)
class Images:
    """Some events.

    Attributes:
        images: ``(events, planes, ticks, wires)``, ADC counts as int16.
        labels: ``(events,)``, the classes.
        momenta: ``(events,)`` in MeV/c, NaN where not known.
    """

    images: Tensor
    labels: Tensor
    momenta: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device, non_blocking: bool = False) -> Images:
        """Return the same events on another device."""
        parts = (self.images, self.labels, self.momenta)
        return Images(*(part.to(device, non_blocking=non_blocking) for part in parts))


class ImageDataset(Dataset[Images]):
    """Events whose images are decompressed when they are asked for, a batch at once.

    Args:
        folder: What `_store` has written.
        shape: Planes, ticks and wires of the events' images.
        planes: How many planes to give out, the last ones, among which is the collection plane.

    Attributes:
        shape: Planes, ticks and wires of the images given out.
        labels: ``(events,)``, the classes.
        momenta: ``(events,)`` in MeV/c.
        store: The compressed planes, those of an event one after the other.
    """

    def __init__(self, folder: Path, shape: Shape, planes: int) -> None:
        self.store = CompressedStore(folder / _IMAGES)
        self.labels = torch.from_numpy(np.load(folder / _LABELS))
        self.momenta = torch.from_numpy(np.load(folder / _MOMENTA))
        self.shape = (planes, *shape[1:])
        self._wanted = np.arange(shape[0] - planes, shape[0])
        self._stored = shape[0]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Images:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Images:
        """Some events, in the order asked for."""
        events = np.asarray(indices, np.int64)
        planes = self.store[(events[:, None] * self._stored + self._wanted).ravel()]
        return Images(torch.from_numpy(planes.reshape(-1, *self.shape)), self.labels[events], self.momenta[events])


def as_batch(events: Images) -> Images:
    """The collate function of `ImageDataset`, which gives out batches as they are."""
    return events


def datasets(data: Mapping[str, Any], planes: int, cache: Path | None = None) -> tuple[ImageDataset, ImageDataset]:
    """The training and the validation events that a study's ``data`` section names.

    Args:
        data: ``train`` and ``valid``, both or neither (then the packaged sample), and ``max_events``, how many of each
            file to use (all if absent).
        planes: How many planes the network sees.
        cache: The node's cache, where stores are shared; this process's own if None.

    Raises:
        UserError: A key is unknown, missing or has an impossible value, or a file cannot be used.
    """
    train, valid = _opened(data, cache)
    if train.shape[0] < planes:
        raise UserError(f"lartpc: 'planes' is {planes}, but the images of data.train have {train.shape[0]}")
    place = _own_cache() if cache is None else cache
    first, second = (_dataset(files, planes, data.get("max_events"), place) for files in (train, valid))
    return first, second


def check_data(data: Mapping[str, Any]) -> None:
    """Check a study's ``data`` section and the footers of the files it names.

    Raises:
        UserError: As `datasets`, but for what only reading the events shows.
    """
    _opened(data)


def _opened(data: Mapping[str, Any], cache: Path | None = None) -> tuple[EventFiles, EventFiles]:
    train, valid = (open_events(source, cache) for source in named_sources(data, KEYS, "lartpc", SAMPLE))
    for name, files in (("train", train), ("valid", valid)):
        if not len(files):
            raise UserError(f"event file '{files.files[0].url}' of data.{name} has no events")
    if train.shape != valid.shape:
        raise UserError(f"images of data.train have the shape {train.shape}, those of data.valid {valid.shape}")
    return train, valid


def _dataset(files: EventFiles, planes: int, most: int | None, place: Path) -> ImageDataset:
    key = ["lartpc", _FORMAT, most, [file.stamp() for file in files.files]]
    folder = node_copy(place, key, lambda path: _store(path, files, most))
    return ImageDataset(folder, files.shape, planes)


def _store(folder: Path, files: EventFiles, most: int | None) -> None:
    """Write the compressed planes, classes and momenta of events into a folder."""
    folder.mkdir()
    known: list[tuple[int, float]] = []
    CompressedStore.build(folder / _IMAGES, _planes(files.events(most), files.shape, known))
    labels, momenta = zip(*known, strict=True)
    np.save(folder / _LABELS, np.array(labels, np.int64))
    np.save(folder / _MOMENTA, np.array(momenta, np.float32))


def _planes(events: Iterator[Event], shape: Shape, known: list[tuple[int, float]]) -> Iterator[NDArray[np.int16]]:
    """Each plane of each event, whole; class and momentum go to `known`."""
    for event in events:
        known.append((event.label, event.momentum))
        yield from dense(event.image, shape)


@cache
def _own_cache() -> Path:
    """A folder that goes with this process, for use outside of studies."""
    folder = tempfile.mkdtemp(prefix="raise-hpo-lartpc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
