"""Jets that are quickly made: two prongs whose opening angle gives the mass."""

from pathlib import Path
from typing import Any

import numpy as np

from trainables.ucluster import schema
from trainables.ucluster.jets import Momenta, features

MASSES = (80.0, 92.0, 173.0)


def arrays(count: int, seed: int = 0) -> dict[str, Any]:
    """The columns of `count` jets of about 1 TeV: of labels 0, 1, 2 in turn, with masses around `MASSES`."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    mass = np.array(MASSES)[label] * rng.normal(1, 0.02, count)
    size = rng.integers(20, schema.POINTS, count)
    points = np.zeros((count, schema.POINTS, len(schema.FEATURES)), np.float32)
    totals = []
    for i in range(count):
        inside = _prongs(size[i], mass[i], rng)
        total = Momenta(*(part.sum(keepdims=True) for part in inside))
        order = np.argsort(-inside.pt)
        pid = rng.integers(1, 6, size[i])
        points[i, : size[i]] = features(inside.take(order), total.take(np.zeros(size[i], int)), pid)
        totals.append(total)
    jet = Momenta(*(np.concatenate(part) for part in zip(*totals, strict=True)))
    single = {"jet_pt": jet.pt, "jet_eta": jet.eta, "jet_phi": jet.phi, "jet_mass": jet.mass, "jet_e": jet.e}
    return {
        "points": points,
        "pdgid": np.where(points[..., 7] > 0, 211, 0).astype(np.int32),
        "n_const": size.astype(np.int16),
        "n_const_all": size.astype(np.int16),
        "label": label.astype(np.int8),
        "mass_cat": schema.mass_category(jet.mass),
        **{name: values.astype(np.float32) for name, values in single.items()},
        "jet_mass_sd": jet.mass.astype(np.float32),
    }


def _prongs(size: int, mass: float, rng: np.random.Generator) -> Momenta:
    """Massless particles about two directions, at an angle that gives about the mass at a pT of 1 TeV."""
    pt = rng.dirichlet(np.full(size, 0.6)) * 1000 + 0.2
    side = np.where(rng.random(size) < 0.5, -0.5, 0.5)
    turn = rng.uniform(0, 2 * np.pi)
    opening = mass / 500.0
    eta = 0.3 + opening * side * np.cos(turn) + rng.normal(0, 0.01, size)
    phi = 1.0 + opening * side * np.sin(turn) + rng.normal(0, 0.01, size)
    return Momenta(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))


def write_jets(path: Path, count: int, seed: int = 0) -> Path:
    """Write an event file of such jets."""
    schema.write_rows([schema.to_table(arrays(count, seed))], path, {})
    return path


def write_events(path: Path, count: int, seed: int = 0) -> Path:
    """Write an event file for anomaly detection: each third row is signal, of heavier jets."""
    jets = arrays(count, seed)
    rng = np.random.default_rng(seed)
    mass = jets["jet_mass"]
    category = 1 + schema.mass_category(4 * mass, schema.ANOMALY_MASS_EDGES)
    columns = {
        "points": jets["points"],
        "point_cat": np.where(jets["points"][..., 7] > 0, category[:, None], 0).astype(np.int8),
        "globals": np.stack([np.log(mass), rng.random(count), np.log(mass), rng.random(count)], 1).astype(np.float32),
        "n_const": jets["n_const"],
        "label": (jets["label"] == 2).astype(np.int8),
        "dijet_mass": (10 * mass).astype(np.float32),
    }
    schema.write_rows([schema.to_table(columns, schema.EVENT_COLUMNS)], path, {}, schema.EVENT_COLUMNS)
    return path
