"""Reads the HDF5 files of KevLAr, the exporter of the talk (https://github.com/HEP-DL/kevlar).

``image/wires`` and ``image/rawdigits`` are ``(events, planes, ticks, wires)`` of int32, ``label/type`` is
``(events, 10)``: how many primaries of each kind an event has; the kinds stand in its attributes ``label_index0`` to
``label_index9``. Where there is a ``label/momentum_MeV``, which KevLAr itself does not write, it is read too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError

from .particles import ELECTRON, KAON, LABELS, MUON, PHOTON, PION
from .readout import THRESHOLD, sparse
from .schema import Event, Shape

IMAGES = ("image/wires", "image/rawdigits")
"""The data sets with images, the one that is preferred first: charge on wires, or raw digits."""
CODES = {
    "e-": ELECTRON,
    "e+": -ELECTRON,
    "pi+": PION,
    "pi-": -PION,
    "mu-": MUON,
    "mu+": -MUON,
    "K+": KAON,
    "gamma": PHOTON,
}
"""The kinds of particles that are told apart; events of others (proton, pi0), or of several particles, are left out."""

_LABELS, _MOMENTA = "label/type", "label/momentum_MeV"


def is_kevlar(file: Any) -> bool:
    """Whether an open HDF5 file has a KevLAr file's images."""
    return any(name in file for name in IMAGES)


def read_kevlar(path: str, file: Any) -> tuple[Shape, Iterator[Event]]:
    """The shape of the images of an open file, and its events.

    Args:
        path: The file's name, for messages.
        file: The open HDF5 file.

    Raises:
        UserError: The file has no labels, or something else under a name of KevLAr's.
    """
    name = next(name for name in IMAGES if name in file)
    images = file[name]
    if _LABELS not in file:
        raise UserError(f"'{path}' has no '{_LABELS}', so it is not known what its images show")
    labels = file[_LABELS]
    if images.ndim != 4 or labels.ndim != 2 or len(labels) != len(images):
        raise UserError(
            f"'{path}' is damaged: '{name}' and '{_LABELS}' have the shapes {images.shape} and {labels.shape}, "
            "they should be (events, planes, ticks, wires) and (events, kinds)"
        )
    return images.shape[1:], _events(file, name)


def _events(file: Any, name: str) -> Iterator[Event]:
    codes = _codes(file[_LABELS])
    counts = file[_LABELS][:]
    momenta = file[_MOMENTA][:] if _MOMENTA in file else np.full(len(counts), np.nan)
    for own, momentum, image in zip(counts, momenta, _images(file[name]), strict=True):
        pdg = codes[int(own.argmax())]
        if own.sum() != 1 or pdg is None:
            continue
        if name != IMAGES[0]:
            image = without_pedestal(image)
        yield Event(sparse(image), LABELS[abs(pdg)], pdg, float(momentum), math.nan)


def _images(images: Any) -> Iterator[NDArray[Any]]:
    """Images one by one, of which as many are read at a time as are compressed together."""
    together = images.chunks[0] if images.chunks else 1
    for first in range(0, len(images), together):
        yield from images[first : first + together]


def _codes(labels: Any) -> list[int | None]:
    """The PDG code of each column, None where it is no class of ours."""
    names = [labels.attrs.get(f"label_index{column}", b"") for column in range(labels.shape[1])]
    texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    return [CODES.get(text.strip("\0 ")) for text in texts]


def without_pedestal(image: NDArray[Any]) -> NDArray[Any]:
    """Raw digits less the median of their plane, 0 where that is below the threshold.

    The noise is told from the median of the absolute deviations, so that tracks do not count as noise.
    """
    signal = image - np.median(image, axis=(1, 2), keepdims=True)
    noise = 1.4826 * np.median(np.abs(signal), axis=(1, 2), keepdims=True)
    return np.where(np.abs(signal) >= np.maximum(THRESHOLD * noise, 1.0), np.rint(signal), 0)
