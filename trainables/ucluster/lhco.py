"""Read events of the LHC Olympics 2020 (Zenodo 2629073) for anomaly detection, as UCluster prepares them.

A file is a pandas data frame in PyTables' fixed format: a row is an event, 700 times (pT, eta, phi), zero-padded, and
in the R&D set a last column that is 1 for signal. h5py reads it from ``df/block0_values``; pandas is not needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from raise_hpo.errors import UserError

from .hdf5 import open_hdf5
from .jets import Arrays, Floats, Ints, Momenta, cluster, fastjet, features, record, turned
from .schema import ANOMALY_MASS_EDGES, EVENT_COLUMNS, FEATURES, POINTS, mass_category, to_table

_VALUES = "df/block0_values"
_PARTICLES = 700
_RADIUS = 1.0
_JET_PT_MIN = 20.0
_JET_MASS_MIN = 10.0
_SUBJET_RADIUS = 0.2
_STEP = 1000


def holds_events(file: Any) -> bool:
    """Whether an open HDF5 file is one of the LHC Olympics."""
    return _VALUES in file


def read_events(path: Path) -> Iterator[pa.Table]:
    """Read the events of a file that have two jets above 10 GeV of mass, some at a time.

    Raises:
        UserError: the file cannot be read, or is not of 2100 columns (or 2101, with the truth).
    """
    with open_hdf5(path) as file:
        values = file[_VALUES]
        if len(values.shape) != 2 or values.shape[1] not in (3 * _PARTICLES, 3 * _PARTICLES + 1):
            raise UserError(f"'{path}' has events of shape {values.shape}, it should be (events, 2100) or (…, 2101)")
        for first in range(0, len(values), _STEP):
            yield to_table(_columns(values[first : first + _STEP]), EVENT_COLUMNS)


def _columns(values: NDArray[np.float64]) -> Arrays:
    particles, starts = _massless(values[:, : 3 * _PARTICLES].reshape(len(values), _PARTICLES, 3))
    jets, event, members, sizes = cluster(particles, starts, _RADIUS, _JET_PT_MIN)
    pairs = heaviest_pairs(jets.mass, event)
    labels = values[:, -1] if values.shape[1] % 3 else np.zeros(len(values))
    chosen = pairs.ravel()
    begin = np.cumsum(sizes) - sizes
    rows = np.concatenate([members[begin[jet] : begin[jet] + sizes[jet]] for jet in chosen] or [np.zeros(0, int)])
    inside, heavy, counts = particles.take(rows.astype(np.int64)), jets.take(chosen), sizes[chosen]
    return {
        **_constituents(inside, heavy, counts),
        "globals": np.stack([np.log(heavy.mass), tau21(inside, counts)], 1).reshape(-1, 4).astype(np.float32),
        "label": labels[event[pairs[:, 0]]].astype(np.int8),
        "dijet_mass": _summed(jets, pairs).mass.astype(np.float32),
    }


def _massless(events: NDArray[np.float64]) -> tuple[Momenta, Ints]:
    """The particles of all events, and where those of each start."""
    there = events[..., 0] > 0
    pt, eta, phi = events[there].T
    momenta = Momenta(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    return momenta, np.concatenate([[0], np.cumsum(there.sum(1))])


def heaviest_pairs(mass: Floats, event: Ints) -> Ints:
    """Return the ``(n, 2)`` numbers of the two heaviest jets of each event that has two of enough mass."""
    order = np.lexsort((-mass, event))
    order = order[mass[order] >= _JET_MASS_MIN]
    own = event[order]
    first = np.flatnonzero(np.concatenate([[True], own[1:] != own[:-1]])) if len(own) else np.zeros(0, int)
    first = first[first + 1 < len(own)]
    first = first[own[first] == own[first + 1]]
    return np.stack([order[first], order[first + 1]], axis=1)


def _summed(jets: Momenta, pairs: Ints) -> Momenta:
    return Momenta(*(part[pairs].sum(1) for part in jets))


def _constituents(inside: Momenta, jets: Momenta, counts: Ints) -> Arrays:
    """The constituents of both jets together, those of highest pT first."""
    owner = np.repeat(np.arange(len(counts)), counts)
    event = owner // 2
    order = np.lexsort((-inside.pt, event))
    sizes = np.bincount(event, minlength=len(counts) // 2)
    rank = np.arange(len(event)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    leading = rank < POINTS
    kept, where = order[leading], (event[leading], rank[leading])
    points = np.zeros((len(sizes), POINTS, len(FEATURES)), np.float32)
    points[where] = features(inside.take(kept), jets.take(owner[kept]), np.zeros(len(kept)))
    category = np.zeros((len(sizes), POINTS), np.int8)
    category[where] = 1 + mass_category(jets.mass, ANOMALY_MASS_EDGES)[owner[kept]]
    return {"points": points, "point_cat": category, "n_const": np.minimum(sizes, POINTS).astype(np.int16)}


def tau21(inside: Momenta, counts: Ints) -> Floats:
    """Return the N-subjettiness ratio of jets about exclusive kT subjets (Thaler, Van Tilburg, arXiv:1011.2268).

    Args:
        inside: the constituents of all jets, one jet after the other.
        counts: how many each jet has, at least 1; the ratio of jets of a single constituent is 0.
    """
    one, two = (_tau(inside, counts, axes) for axes in (1, 2))
    return np.where(counts > 1, two / np.where(one > 0, one, 1.0), 0.0)


def _tau(inside: Momenta, counts: Ints, axes: int) -> Floats:
    """Sum over constituents of pT times the distance from the nearest of so many subjets, by the sum of pT."""
    import awkward as ak

    if not len(counts):
        return np.zeros(0)
    fj = fastjet()
    owner, many = np.repeat(np.arange(len(counts)), counts), counts >= axes
    own = inside.take(many[owner])
    sequence = fj.ClusterSequence(record(own, counts[many]), fj.JetDefinition(fj.kt_algorithm, _SUBJET_RADIUS))
    with warnings.catch_warnings():
        # FastJet's Python layer does not recognise kT and warns that exclusive jets are not meant for other algorithms.
        warnings.simplefilter("ignore", UserWarning)
        found = ak.flatten(sequence.exclusive_jets(n_jets=axes))
    subjets = Momenta(*(np.asarray(found[name], np.float64).reshape(-1, axes) for name in ("px", "py", "pz", "E")))
    row = np.repeat(np.arange(many.sum()), counts[many])
    d_eta, d_phi = subjets.eta[row] - own.eta[:, None], turned(subjets.phi[row] - own.phi[:, None])
    nearest = own.pt * np.hypot(d_eta, d_phi).min(1)
    tau = np.zeros(len(counts))
    tau[many] = np.bincount(row, nearest, minlength=many.sum()) / np.bincount(row, own.pt, minlength=many.sum())
    return tau
