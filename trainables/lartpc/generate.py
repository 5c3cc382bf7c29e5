"""Single particles in a liquid-argon time projection chamber: their tracks and showers as images, an event file.

Everything random follows from the recipe's seed: the events do not depend on the number of processes, and a recipe with
fewer events gives the first events of one with more. Classes take turns, so that all are alike often.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from raise_hpo.errors import UserError
from trainables.blocks import Progress, made_in_blocks

from .particles import LABELS, PHOTON
from .readout import Window, charge, expose, read_out
from .schema import Event, write_events
from .simulate import simulate

FULL_SIZE = 3600
"""Pixels of the talk's images; MicroBooNE's 9600 ticks are squeezed into so many."""
_JITTER = 0.1
"""How far the centre of charge is from the middle of the image at most, by the image's width."""
_BLOCK = 50
"""Events that a process makes at a time."""


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        events: Number of events.
        size: Pixels of an image in both directions.
        seed: Not negative.
        wires: Wires that a pixel sums up.
        ticks: Ticks that a pixel sums up; 0 for as many as make it about square, or for all 9600 ticks in 3600 pixels.
        least: Lowest momentum in MeV/c.
        most: Highest momentum in MeV/c; all between are alike often.
    """

    events: int
    size: int = 512
    seed: int = 1
    wires: int = 1
    ticks: float = 0.0
    least: float = 100.0
    most: float = 1000.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("events", 1, math.inf),
            ("size", 8, 9600),
            ("seed", 0, math.inf),
            ("wires", 1, 3600),
            ("ticks", 0, 9600),
            ("least", 1, 5000),
            ("most", self.least, 5000),
        ):
            value = getattr(self, name)
            if not low <= value <= high or value == math.inf:
                bound = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
                raise UserError(f"{name} is {value}, it must be {bound}")

    @property
    def window(self) -> Window:
        """What the images show."""
        usual = 9600 / FULL_SIZE if self.size == FULL_SIZE else 6.0
        return Window(self.size, self.wires, self.ticks or usual * self.wires)

    def provenance(self) -> dict[str, Any]:
        """Say what makes these events, for the metadata of the file."""
        return {
            **dataclasses.asdict(self),
            "ticks": self.window.ticks,
            "generator": "raise-hpo: a Monte Carlo of its own, not Geant4",
            "detector": "raise-hpo: three planes like MicroBooNE's",
        }


def make_event(recipe: Recipe, index: int) -> Event:
    """Make the event of a recipe with a given number."""
    rng = np.random.default_rng(np.random.SeedSequence(entropy=recipe.seed, spawn_key=(index,)))
    kind, label = list(LABELS.items())[index % len(LABELS)]
    pdg = kind if kind == PHOTON or rng.uniform() < 0.5 else -kind
    momentum = rng.uniform(recipe.least, recipe.most)
    deposits = simulate(pdg, momentum, rng)
    window = recipe.window
    image = read_out(expose(deposits, _centre(deposits, window, rng), window), window, rng)
    return Event(image, label, pdg, momentum, float(deposits[:, 3].sum()))


def _centre(deposits: np.ndarray, window: Window, rng: np.random.Generator) -> np.ndarray:
    """The point that the middle of the image shows: near the centre of charge."""
    weights = charge(deposits)
    middle = weights @ deposits[:, :3] / weights.sum() if weights.sum() else np.zeros(3)
    drift, across = window.pixel
    return middle + rng.uniform(-_JITTER, _JITTER, 3) * window.size * np.array([drift, across, across])


def _block(recipe: Recipe, block: int) -> list[Event]:
    first = block * _BLOCK
    return [make_event(recipe, index) for index in range(first, min(first + _BLOCK, recipe.events))]


def generate(recipe: Recipe, jobs: int = 1, progress: Progress | None = None) -> Iterator[Event]:
    """Generate the events of a recipe.

    Args:
        recipe: What to generate.
        jobs: Number of processes; the events do not depend on it.
        progress: Told about each event.
    """
    blocks = range(-(-recipe.events // _BLOCK))
    for made, event in enumerate(chain.from_iterable(made_in_blocks(partial(_block, recipe), blocks, jobs)), 1):
        if progress:
            progress("events", made, recipe.events)
        yield event


def generate_file(recipe: Recipe, path: str | Path, jobs: int = 1, progress: Progress | None = None) -> int:
    """Generate the events of a recipe into a Parquet file and return how many there are.

    Raises:
        UserError: The file cannot be written.
    """
    return write_events(generate(recipe, jobs, progress), path, recipe.window.shape, recipe.provenance())
