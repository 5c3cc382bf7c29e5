"""Events that need no simulation: each class has a bar of its own length and place, under a few noisy pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.lartpc.particles import CLASS_NAMES, LABELS
from trainables.lartpc.readout import sparse
from trainables.lartpc.schema import Event, write_events

SIZE = 81


def image(label: int, seed: int, size: int = SIZE) -> np.ndarray:
    rng = np.random.default_rng([seed, label])
    pixels = np.zeros((3, size, size), np.int16)
    row, column = rng.integers(8, size - 30, 2)
    pixels[:, row : row + 3, column : column + 4 * (label + 1)] = 60 + 60 * label
    for _ in range(12):
        pixels[tuple(rng.integers(n) for n in pixels.shape)] = rng.integers(-20, 20)
    return pixels


def event(index: int, seed: int = 0, size: int = SIZE) -> Event:
    label = index % len(CLASS_NAMES)
    return Event(sparse(image(label, seed + index, size)), label, list(LABELS)[label], 100.0 + 10.0 * index, 50.0)


def written(path: Path, events: int, seed: int = 0, size: int = SIZE) -> str:
    write_events((event(i, seed, size) for i in range(events)), path, (3, size, size), {"made": "by hand"})
    return str(path)
