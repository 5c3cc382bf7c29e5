"""Jets: found with anti-kT (R = 0.8), matched to the particle they come from, groomed, and put into columns.

Everything is done for all collisions of a batch at once. The soft-drop mass is that of Larkoski et al.,
arXiv:1402.2657, with beta = 0 and z_cut = 0.1, after reclustering with Cambridge/Aachen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError

from .schema import FEATURES, POINTS, mass_category

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RADIUS = 0.8
_ETA_LIMIT = 2.5
_MATCH_RADIUS = 0.4
_CHARGED_HADRON, _NEUTRAL_HADRON, _PHOTON, _ELECTRON, _MUON = range(1, 6)
_PID = {22: _PHOTON, 11: _ELECTRON, 13: _MUON} | dict.fromkeys((130, 310, 2112, 3122, 3322), _NEUTRAL_HADRON)


class Collisions(NamedTuple):
    """Generated collisions as awkward arrays, one entry each, with ``p.px``, ``p.py``, ``p.pz``, ``p.e`` and ``id``.

    Attributes:
        visible: the particles that jets are made of.
        truth: the particles that a jet must lie near to count.
    """

    visible: Any
    truth: Any


class Momenta(NamedTuple):
    """Four-momenta, each ``(n,)`` in GeV."""

    px: Floats
    py: Floats
    pz: Floats
    e: Floats

    @property
    def pt(self) -> Floats:
        """Transverse momentum in GeV."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> Floats:
        """Pseudorapidity."""
        return np.arcsinh(self.pz / np.maximum(self.pt, 1e-12))

    @property
    def phi(self) -> Floats:
        """Azimuth in rad, from -pi to pi."""
        return np.arctan2(self.py, self.px)

    @property
    def mass(self) -> Floats:
        """Invariant mass in GeV, 0 where rounding makes its square negative."""
        return np.sqrt(np.maximum(self.e**2 - self.px**2 - self.py**2 - self.pz**2, 0.0))

    def take(self, rows: Any) -> Momenta:
        """Return some of them."""
        return Momenta(*(part[rows] for part in self))


def turned(angle: Floats) -> Floats:
    """Bring differences of azimuths to between -pi and pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def fastjet() -> Any:
    """Import fastjet.

    Raises:
        UserError: it is not installed.
    """
    try:
        import fastjet
    except ImportError as error:
        raise UserError("finding jets needs FastJet: install raise-hpo[generate]") from error
    return fastjet


def find_jets(collisions: Collisions, pt_min: float, pt_max: float) -> Arrays:
    """Find the jets of some collisions that come from the wanted particles.

    Returns:
        The columns of event files but for ``label``.
    """
    import awkward as ak

    particles = _momenta(ak.flatten(collisions.visible.p))
    pdg = ak.to_numpy(ak.flatten(collisions.visible.id)).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(collisions.visible.id)))])
    found, event, members, sizes = cluster(particles, starts, RADIUS, 0.8 * pt_min)
    good = (found.pt > pt_min) & (found.pt < pt_max) & (np.abs(found.eta) < _ETA_LIMIT)
    good &= _matched(found, event, collisions.truth)
    members, sizes = members[np.repeat(good, sizes)], sizes[good]
    return _columns(found.take(good), particles.take(members), pdg[members], sizes)


def _momenta(fields: Any) -> Momenta:
    return Momenta(*(np.asarray(fields[name], np.float64) for name in ("px", "py", "pz", "e")))


def cluster(particles: Momenta, starts: Ints, radius: float, pt_min: float) -> tuple[Momenta, Ints, Ints, Ints]:
    """Find anti-kT jets (Cacciari et al., arXiv:0802.1189) in collisions whose particles stand one after the other.

    Args:
        particles: of all collisions.
        starts: ``(collisions + 1,)``: collision ``i`` owns the rows ``starts[i]`` to ``starts[i + 1]``.
        radius: R.
        pt_min: least pT of a jet in GeV.

    Returns:
        The jets, the collision of each, their members (rows of ``particles``), and how many each has.
    """
    import awkward as ak

    fj = fastjet()
    sequence = fj.ClusterSequence(record(particles, np.diff(starts)), fj.JetDefinition(fj.antikt_algorithm, radius))
    jets, inside = sequence.inclusive_jets(min_pt=pt_min), sequence.constituent_index(min_pt=pt_min)
    event = np.repeat(np.arange(len(jets)), ak.to_numpy(ak.num(jets.px)))
    inside = ak.flatten(inside, axis=1)
    sizes = ak.to_numpy(ak.num(inside)).astype(np.int64)
    members = ak.to_numpy(ak.flatten(inside)).astype(np.int64) + np.repeat(starts[event], sizes)
    flat = ak.flatten(jets)
    return Momenta(*(np.asarray(flat[name], np.float64) for name in ("px", "py", "pz", "E"))), event, members, sizes


def record(momenta: Momenta, counts: Ints) -> Any:
    """Four-momenta as an awkward array of lists of the given lengths, as FastJet wants them."""
    import awkward as ak
    import vector

    vector.register_awkward()
    fields = dict(zip(("px", "py", "pz", "E"), momenta, strict=True))
    return ak.zip({name: ak.unflatten(values, counts) for name, values in fields.items()}, with_name="Momentum4D")


def _matched(jets: Momenta, event: Ints, truth: Any) -> NDArray[np.bool_]:
    """Whether a wanted particle of the jet's collision lies within `_MATCH_RADIUS`."""
    import awkward as ak

    near, count = _momenta(ak.flatten(truth.p)), ak.to_numpy(ak.num(truth.id)).astype(np.int64)
    own = np.repeat(np.arange(len(event)), count[event])
    first = np.concatenate([[0], np.cumsum(count)])[event]
    which = np.arange(len(own)) - np.repeat(np.cumsum(count[event]) - count[event] - first, count[event])
    distance = np.hypot(near.eta[which] - jets.eta[own], turned(near.phi[which] - jets.phi[own]))
    return np.bincount(own[distance < _MATCH_RADIUS], minlength=len(event)) > 0


def _columns(jets: Momenta, inside: Momenta, pdg: NDArray[np.int32], sizes: Ints) -> Arrays:
    owner = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((-inside.pt, owner))
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    leading = rank < POINTS
    kept, where = order[leading], (owner[leading], rank[leading])
    points = np.zeros((len(sizes), POINTS, len(FEATURES)), np.float32)
    points[where] = features(inside.take(kept), jets.take(where[0]), pid_of(pdg[kept]))
    codes = np.zeros((len(sizes), POINTS), np.int32)
    codes[where] = pdg[kept]
    counted = {"n_const": np.minimum(sizes, POINTS).astype(np.int16), "n_const_all": sizes.astype(np.int16)}
    measured = {"jet_pt": jets.pt, "jet_eta": jets.eta, "jet_phi": jets.phi, "jet_mass": jets.mass, "jet_e": jets.e}
    single = {name: values.astype(np.float32) for name, values in measured.items()}
    single["jet_mass_sd"] = _soft_drop_mass(inside, sizes).astype(np.float32)
    return {"points": points, "pdgid": codes, **counted, "mass_cat": mass_category(single["jet_mass"]), **single}


def features(inside: Momenta, jet: Momenta, pid: NDArray[Any]) -> NDArray[np.float32]:
    """Return the ``(n, 8)`` `FEATURES` of constituents, given the jet of each."""
    pt, d_eta, d_phi = inside.pt, inside.eta - jet.eta, turned(inside.phi - jet.phi)
    relative = np.log(pt / jet.pt), np.log(inside.e / jet.e)
    columns = [d_eta, d_phi, np.log(pt), np.log(inside.e), *relative, np.hypot(d_eta, d_phi), pid]
    return np.stack(columns, axis=1).astype(np.float32)


def pid_of(pdg: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the number in `PID_NAMES` of each PDG code; charged hadron where nothing else is known."""
    codes, which = np.unique(np.abs(pdg), return_inverse=True)
    return np.array([_PID.get(int(code), _CHARGED_HADRON) for code in codes], np.int64)[which]


def _soft_drop_mass(inside: Momenta, sizes: Ints) -> Floats:
    import awkward as ak

    if not len(sizes):
        return np.zeros(0)
    fj = fastjet()
    sequence = fj.ClusterSequence(record(inside, sizes), fj.JetDefinition(fj.cambridge_algorithm, 10.0))
    groomed = sequence.exclusive_jets_softdrop_grooming(njets=1, beta=0, symmetry_cut=0.1, R0=RADIUS)
    return np.asarray(ak.to_numpy(ak.flatten(groomed.msoftdrop, axis=None)), np.float64)


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Put columns one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
