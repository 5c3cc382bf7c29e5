"""W, Z, top, gluon and light-quark jets from proton collisions at 13 TeV: Pythia 8, anti-kT with R = 0.8, event file.

Jets are made of generated particles; there is no detector. Everything random follows from the recipe's seed: the jets
do not depend on the number of processes, and a recipe with fewer jets gives the first jets of one with more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raise_hpo.errors import UserError, nearest
from trainables.blocks import Progress, made_in_blocks

from .jets import Arrays, Collisions, find_jets, joined
from .schema import LABELS, MASS_EDGES, to_table, write_rows

_COMMON = ("Print:quiet = on", "Beams:eCM = 13000.")
_W_TO_QUARKS = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")
_PROCESSES = {
    "w": ("WeakDoubleBoson:ffbar2WW = on", *_W_TO_QUARKS),
    "z": (
        *("WeakDoubleBoson:ffbar2gmZgmZ = on", "WeakZ0:gmZmode = 2"),
        *("23:onMode = off", "23:onIfAny = 1 2 3 4 5"),
    ),
    "t": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_W_TO_QUARKS),
    "g": ("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"),
    "q": ("HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on"),
}
_RESONANCE, _HARD = -62, -23
_TRUTH = {"w": ((24,), _RESONANCE), "z": ((23,), _RESONANCE), "t": ((6,), _RESONANCE)} | {
    "g": ((21,), _HARD),
    "q": ((1, 2, 3, 4, 5), _HARD),
}
"""The particle that makes a jet one of its kind, by absolute PDG number and Pythia's status."""
_NEUTRINOS = (12, 14, 16)
_PT_CUT = 0.1
"""Least pT of a constituent in GeV; Pythia also has photons of 1e-14."""
_BLOCK = 250
"""Jets of one kind that a generator makes before the next one starts afresh."""


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        process: the kinds of jets, one letter each, in equal shares and in turn: ``w``, ``z``, ``t``, ``g``, ``q``.
        events: number of jets, of all kinds together, before those outside the mass window are left out.
        seed: not negative.
        pt_min: least pT of a jet in GeV, and of the hard collision.
        pt_max: largest pT of a jet in GeV; the hard collision's may be 15 % above it.
        mass_min: jets of less mass, in GeV, are left out.
        mass_max: jets of more mass, in GeV, are left out. UCluster keeps 10 to 200 GeV.
        underlying_event: whether the protons' other partons interact too. It adds some 5 to 10 GeV to a jet's mass.
    """

    process: str
    events: int
    seed: int
    pt_min: float = 800.0
    pt_max: float = 1200.0
    mass_min: float = 10.0
    mass_max: float = 200.0
    underlying_event: bool = True

    def __post_init__(self) -> None:
        for kind in self.process or " ":
            if kind not in _PROCESSES:
                raise UserError(f"process '{self.process}' has the unknown jet '{kind}'; {nearest(kind, _PROCESSES)}")
        if len(set(self.process)) < len(self.process):
            raise UserError(f"process '{self.process}' names a jet twice; name each kind once")
        for name, least in (("events", 1), ("seed", 0), ("pt_min", 20)):
            if not least <= getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}, it must be at least {least}")
        if not self.pt_min < self.pt_max < 6500:
            raise UserError(f"pt_max is {self.pt_max}, it must lie between pt_min, {self.pt_min}, and 6500")
        if not 0 <= self.mass_min < self.mass_max < float("inf"):
            raise UserError(
                f"mass_max is {self.mass_max}, it must lie above mass_min, {self.mass_min}, which is not negative"
            )

    def provenance(self) -> dict[str, Any]:
        """Say what makes these jets, for the metadata of the file."""
        made = f"pythia8mc {version('pythia8mc')}, fastjet {version('fastjet')}"
        settings = {kind: _PROCESSES[kind] for kind in self.process}
        described = {"generator": made, "settings": settings, "energy_tev": 13, "mass_edges": MASS_EDGES.tolist()}
        return {**dataclasses.asdict(self), **described, "classes": LABELS, "R": 0.8}


def _pythia(recipe: Recipe, kind: str, block: int) -> Any:
    try:
        import pythia8mc
    except ImportError as error:
        raise UserError("generating jets needs Pythia 8: install raise-hpo[generate]") from error
    stream = np.random.SeedSequence(entropy=recipe.seed, spawn_key=(LABELS[kind], block))
    pythia = pythia8mc.Pythia("", False)
    window = (f"PhaseSpace:pTHatMin = {recipe.pt_min}", f"PhaseSpace:pTHatMax = {1.15 * recipe.pt_max}")
    switch = f"PartonLevel:MPI = {'on' if recipe.underlying_event else 'off'}"
    seed = ("Random:setSeed = on", f"Random:seed = {1 + int(stream.generate_state(1)[0]) % 900_000_000}")
    for setting in (*_COMMON, *_PROCESSES[kind], *window, switch, *seed):
        if not pythia.readString(setting):
            raise RuntimeError(f"Pythia refuses the setting '{setting}'")
    if not pythia.init():
        raise RuntimeError(f"Pythia cannot be set up for '{kind}'")
    return pythia


def _collide(pythia: Any, kind: str, count: int) -> Collisions:
    """Generate collisions; keep their visible stable particles and those that jets are matched to."""
    record = pythia.nextBatch(count).prt
    if not len(record):
        raise RuntimeError("Pythia makes no events any more")
    code, (numbers, status) = abs(record.id), _TRUTH[kind]
    visible = (record.status > 0) & (record.p.px**2 + record.p.py**2 > _PT_CUT**2)
    for neutrino in _NEUTRINOS:
        visible = visible & (code != neutrino)
    truth = code == numbers[0]
    for number in numbers[1:]:
        truth = truth | (code == number)
    return Collisions(record[visible], record[truth & (record.status == status)])


def _of_kind(recipe: Recipe, block: int, count: int, kind: str) -> Arrays:
    """Make the first ``count`` jets of one kind of a block."""
    pythia, parts, found = _pythia(recipe, kind, block), [], 0
    while found < count:
        collisions = _collide(pythia, kind, 10 + (count - found) // 2)
        parts.append(find_jets(collisions, recipe.pt_min, recipe.pt_max))
        found += len(parts[-1]["jet_pt"])
    jets = {name: values[:count] for name, values in joined(parts).items()}
    return {**jets, "label": np.full(count, LABELS[kind], np.int8)}


def _block(recipe: Recipe, block: int) -> pa.Table:
    """Make one block: jets of all kinds in turn, without those outside the mass window."""
    kinds = len(recipe.process)
    count = min(_BLOCK * kinds, recipe.events - block * _BLOCK * kinds)
    jets = joined([_of_kind(recipe, block, -(-count // kinds), kind) for kind in recipe.process])
    in_turn = np.arange(len(jets["label"])).reshape(kinds, -1).T.ravel()[:count]
    mass = jets["jet_mass"][in_turn]
    kept = in_turn[(mass >= recipe.mass_min) & (mass <= recipe.mass_max)]
    return to_table({name: values[kept] for name, values in jets.items()})


def generate(recipe: Recipe, jobs: int = 1, progress: Progress | None = None) -> Iterator[pa.Table]:
    """Generate the jets of a recipe, some at a time, in the columns of event files.

    Args:
        recipe: what to generate.
        jobs: number of processes; the jets do not depend on it.
        progress: told about each step.

    Raises:
        UserError: Pythia is not installed.
    """
    size = _BLOCK * len(recipe.process)
    for number, table in enumerate(made_in_blocks(partial(_block, recipe), range(-(-recipe.events // size)), jobs), 1):
        if progress:
            progress("jets", min(number * size, recipe.events), recipe.events)
        yield table


def generate_file(recipe: Recipe, path: str | Path, jobs: int = 1, progress: Progress | None = None) -> int:
    """Generate the jets of a recipe into a Parquet file and return how many it keeps."""
    return write_rows(generate(recipe, jobs, progress), path, recipe.provenance())
