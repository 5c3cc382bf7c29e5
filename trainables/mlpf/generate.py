"""Proton collisions at 14 TeV for MLPF: Pythia 8, pile-up overlay, detector, event file.

Generator settings are those of the public events (jpata/particleflow, ``tev14_pythia8_*.py`` and
``generatePileUpCMS.cmnd``): the tune CUETP8M1, NNPDF2.3 QED LO (Pythia's built-in
set 13 stands for LHAPDF's), particles of proper lifetime above 10 mm/c stable.

Everything random follows from the recipe's seed: the events do not depend on the number of processes, and a recipe
with fewer events gives the first events of one with more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from raise_hpo.errors import UserError, nearest
from trainables.blocks import Progress, made_in_blocks

from .detector import simulate
from .detector_card import VERTEX_LIMIT, VERTEX_SPREAD
from .particles import Batch, Floats, Ints, Particles, batch_of, joined
from .schema import Event, write_events

_COMMON = (
    *("Print:quiet = on", "Beams:eCM = 14000.", "Tune:ee = 7", "Tune:pp = 14", "PDF:pSet = 13", "6:m0 = 172.5"),
    *("SigmaProcess:alphaSvalue = 0.140", "SpaceShower:alphaSvalue = 0.127", "TimeShower:alphaSvalue = 0.127"),
    *("SpaceShower:rapidityOrder = on", "SpaceShower:pT0Ref = 1.56", "SpaceShower:pTmaxFudge = 0.91"),
    *("SpaceShower:pTdampFudge = 1.05", "BeamRemnants:primordialKThard = 1.88"),
    *("MultipartonInteractions:pT0Ref = 2.09", "MultipartonInteractions:alphaSvalue = 0.126"),
    *("ColourReconnection:reconnect = on", "ColourReconnection:range = 1.71"),
    *("ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10"),
)
_MINIMUM_BIAS = "minimum bias"
_PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20"),
    _MINIMUM_BIAS: ("SoftQCD:nonDiffractive = on", "SoftQCD:singleDiffractive = on", "SoftQCD:doubleDiffractive = on"),
}
PROCESSES = ("ttbar", "qcd")
_NEUTRINOS = (12, 14, 16)
_ETA_LIMIT = 5.2
"""Particles beyond it cannot reach a calorimeter, whatever their vertex."""
_BLOCK = 100
"""Events that one generator makes before the next one starts afresh."""
_POOL_STREAM, _HARD_STREAM, _EVENT_STREAM = range(3)


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    Attributes:
        process: ``ttbar`` or ``qcd``.
        events: number of events.
        pileup: mean number of pile-up collisions an event; the number is drawn from a Poisson distribution.
        seed: not negative.
        pool: number of minimum-bias collisions that pile-up is drawn from, with replacement; each time one is used it
            is turned by a random angle and gets a vertex of its own.
    """

    process: str
    events: int
    pileup: float
    seed: int
    pool: int = 2000

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise UserError(f"unknown process '{self.process}'; {nearest(self.process, PROCESSES)}")
        for name, least in (("events", 1), ("pileup", 0), ("seed", 0), ("pool", 1)):
            if not least <= getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}, it must be at least {least}")

    def provenance(self) -> dict[str, Any]:
        """Say what makes these events, for the metadata of the file."""
        detector = "raise-hpo, after the Delphes card of Zenodo 4559324"
        generator = f"{_generator().__name__} {version('pythia8mc')}"
        return {**dataclasses.asdict(self), "generator": generator, "detector": detector, "energy_tev": 14}


def _stream(recipe: Recipe, stream: int, index: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=recipe.seed, spawn_key=(stream, index))


def _generator() -> Any:
    try:
        import pythia8mc
    except ImportError as error:
        raise UserError("generating events needs Pythia 8: install raise-hpo[generate]") from error
    return pythia8mc


def _pythia(process: str, seed: np.random.SeedSequence) -> Any:
    number = 1 + int(seed.generate_state(1)[0]) % 900_000_000
    pythia = _generator().Pythia("", False)
    for setting in (*_COMMON, *_PROCESSES[process], "Random:setSeed = on", f"Random:seed = {number}"):
        if not pythia.readString(setting):
            raise RuntimeError(f"Pythia refuses the setting '{setting}'")
    if not pythia.init():
        raise RuntimeError(f"Pythia cannot be set up for {process}")
    return pythia


def _collide(pythia: Any, count: int) -> Batch:
    """Generate collisions and keep their visible stable particles."""
    batches, missing = [], count
    while missing:
        batch = _visible(pythia, pythia.nextBatch(missing).prt)
        if not len(batch):
            raise RuntimeError("Pythia makes no events any more")
        batches.append(batch)
        missing -= len(batch)
    return batch_of(batches)


def _visible(pythia: Any, record: Any) -> Batch:
    import awkward as ak

    momentum, code = record.p, abs(record.id)
    reachable = np.hypot(momentum.px, momentum.py) * np.sinh(_ETA_LIMIT) > abs(momentum.pz)
    for neutrino in _NEUTRINOS:
        reachable = reachable & (code != neutrino)
    kept = record[reachable & (record.status > 0)]
    flat = ak.flatten(kept)
    vertex = ak.zip({axis: ak.fill_none(flat.vProd[axis], 0.0) for axis in ("px", "py", "pz")})
    pdg = ak.to_numpy(flat.id).astype(np.int64)
    particles = Particles(
        _columns(flat.p, "px", "py", "pz", "e"), 1e-3 * _columns(vertex, "px", "py", "pz"), pdg, _charges(pythia, pdg)
    )
    return Batch(particles, np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(kept.id)))]))


def _columns(record: Any, *names: str) -> Floats:
    return np.stack([np.asarray(record[name], dtype=np.float64) for name in names], axis=1)


def _charges(pythia: Any, pdg: Ints) -> Floats:
    codes, which = np.unique(pdg, return_inverse=True)
    return np.array([pythia.particleData.charge(int(code)) for code in codes])[which]


def minimum_bias(recipe: Recipe, progress: Progress | None = None) -> Batch | None:
    """Generate the pool of collisions that a recipe draws pile-up from; None if it has no pile-up."""
    if recipe.pileup == 0:
        return None
    pythia, parts = _pythia(_MINIMUM_BIAS, _stream(recipe, _POOL_STREAM)), []
    for first in range(0, recipe.pool, _BLOCK):
        parts.append(_collide(pythia, min(_BLOCK, recipe.pool - first)))
        if progress:
            progress("minimum bias", min(first + _BLOCK, recipe.pool), recipe.pool)
    return batch_of(parts)


def overlay(hard: Particles, pool: Batch | None, pileup: float, rng: np.random.Generator) -> tuple[Particles, int]:
    """Put pile-up on a hard collision, each collision at a vertex of its own; return the particles and how many."""
    if pool is None:
        return hard.moved(np.zeros(len(hard)), np.full(len(hard), _vertices(1, rng)[0])), 0
    npu = int(rng.poisson(pileup))
    soft, counts = pool.pick(rng.integers(len(pool), size=npu))
    z = _vertices(npu + 1, rng)
    angle = rng.uniform(-np.pi, np.pi, npu)
    centred = hard.moved(np.zeros(len(hard)), np.full(len(hard), z[0]))
    return joined([centred, soft.moved(np.repeat(angle, counts), np.repeat(z[1:], counts))]), npu


def _vertices(count: int, rng: np.random.Generator) -> Floats:
    return np.clip(VERTEX_SPREAD * rng.standard_normal(count), -VERTEX_LIMIT, VERTEX_LIMIT)


def _block(recipe: Recipe, pool: Batch | None, index: int) -> list[Event]:
    """Make the events of one block."""
    first = index * _BLOCK
    hard = _collide(_pythia(recipe.process, _stream(recipe, _HARD_STREAM, index)), min(_BLOCK, recipe.events - first))
    events = []
    for i in range(len(hard)):
        rng = np.random.default_rng(_stream(recipe, _EVENT_STREAM, first + i))
        particles, npu = overlay(hard.pick(np.array([i]))[0], pool, recipe.pileup, rng)
        events.append(simulate(particles, rng, npu))
    return events


def generate(recipe: Recipe, jobs: int = 1, progress: Progress | None = None) -> Iterator[Event]:
    """Generate the events of a recipe.

    Args:
        recipe: what to generate.
        jobs: number of processes; the events do not depend on it.
        progress: told about each step.

    Raises:
        UserError: Pythia is not installed.
    """
    pool = minimum_bias(recipe, progress)
    blocks = range(-(-recipe.events // _BLOCK))
    for made, event in enumerate(chain.from_iterable(made_in_blocks(partial(_block, recipe, pool), blocks, jobs)), 1):
        if progress:
            progress(recipe.process, made, recipe.events)
        yield event


def generate_file(recipe: Recipe, path: str | Path, jobs: int = 1, progress: Progress | None = None) -> int:
    """Generate the events of a recipe into a Parquet file and return how many there are."""
    return write_events(generate(recipe, jobs, progress), path, recipe.provenance())
