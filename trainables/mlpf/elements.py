"""Rows of the public MLPF format: detector elements, and the particles they should be turned into.

The rules are those of the public format's own ntuplizer (jpata/particleflow, ``delphes/ntuplizer.py``; Pata et al.,
EPJC 81, 381, section 3): a track's target is its particle; a tower's target is the sum of its particles that left no
track, named after the kind that carries most energy. Columns are listed in ``schema``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .particles import Floats, Ints
from .schema import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON, TOWER, TRACK

TRACKER_ACCEPTANCE = 2.5
NEUTRAL_ENERGY_MIN = 9.0
"""A neutral hadron below this energy (GeV) is not a target: the reference reconstruction never finds it."""

_TOWER_KINDS = np.array([NEUTRAL_HADRON, CHARGED_HADRON, PHOTON, ELECTRON])


def particle_class(pdg: Ints) -> Ints:
    """Class of each particle that left a track; every unknown PDG code counts as a charged hadron."""
    code = np.abs(pdg)
    known = [code == 130, code == 22, code == 11, code == 13]
    return np.select(known, [NEUTRAL_HADRON, PHOTON, ELECTRON, MUON], CHARGED_HADRON)


def _rows(count: int, *columns: ArrayLike) -> Floats:
    return np.stack([np.broadcast_to(np.asarray(c, dtype=np.float64), count) for c in columns], axis=1)


def track_rows(pt: Floats, eta: Floats, phi: Floats, outer: tuple[Floats, Floats], charge: Floats, pdg: Ints) -> Floats:
    """Return the ``(n, 12)`` elements of tracks; ``outer`` is eta and phi where they leave the tracker."""
    eta_outer, phi_outer = outer
    return _rows(
        len(pt),
        *(TRACK, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)),
        *(eta_outer, np.sin(phi_outer), np.cos(phi_outer), charge, np.abs(pdg) == 13, np.abs(pdg) == 11),
    )


def tower_rows(energy: Floats, eta: Floats, phi: Floats, em: Floats, had: Floats) -> Floats:
    """Return the ``(n, 12)`` elements of towers of energy ``em + had``."""
    angles = (eta, np.sin(phi), np.cos(phi))
    return _rows(len(energy), TOWER, energy / np.cosh(eta), *angles, energy, em, had, 0, 0, 0, 0)


def track_targets(pdg: Ints, pt: Floats, eta: Floats, phi: Floats, energy: Floats) -> Floats:
    """Return the ``(n, 7)`` particles behind tracks.

    The charge column is the sign of the PDG code, as in the public files: +1 for an electron.
    """
    kind = particle_class(pdg)
    sign = np.where(np.isin(kind, [CHARGED_HADRON, ELECTRON, MUON]), np.sign(pdg), 0)
    return _rows(len(pdg), kind, sign, pt, eta, np.sin(phi), np.cos(phi), energy)


def tower_targets(towers: int, tower: Ints, momentum: Floats, pdg: Ints, charge: Floats) -> Floats:
    """Return the ``(towers, 7)`` particles that towers stand for, all 0 where there is none.

    Args:
        towers: number of towers.
        tower: ``(m,)``, the tower that each trackless particle hits.
        momentum: ``(m, 4)``, px, py, pz and E of those particles in GeV.
        pdg: ``(m,)``, their PDG codes.
        charge: ``(m,)``, their charges.
    """
    px, py, pz, energy = (np.bincount(tower, weights=momentum[:, i], minlength=towers) for i in range(4))
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    shares = np.bincount(tower * 4 + _tower_share(pdg, charge), weights=momentum[:, 3], minlength=towers * 4)
    kind = _TOWER_KINDS[shares.reshape(towers, 4).argmax(axis=1)]
    kind = np.where((kind == CHARGED_HADRON) & (np.abs(eta) > TRACKER_ACCEPTANCE), NEUTRAL_HADRON, kind)
    rows = _rows(towers, kind, np.isin(kind, [CHARGED_HADRON, ELECTRON]), pt, eta, np.sin(phi), np.cos(phi), energy)
    empty = np.bincount(tower, minlength=towers) == 0
    rows[empty | ((kind == NEUTRAL_HADRON) & (energy < NEUTRAL_ENERGY_MIN))] = 0.0
    return rows


def _tower_share(pdg: Ints, charge: Floats) -> Ints:
    """Column of ``_TOWER_KINDS`` that a particle's energy counts for."""
    code = np.abs(pdg)
    other = np.where(np.abs(charge) == 1, 1, 0)
    return np.select([code == 211, code == 130, code == 22, code == 11], [1, 0, 2, 3], other)


def charged_candidates(kind: Ints, charge: Floats, pt: Floats, eta: Floats, phi: Floats) -> Floats:
    """Return ``(n, 7)`` charged candidates of the reference reconstruction; as in the public files, E is 0."""
    return _rows(len(kind), kind, charge, pt, eta, np.sin(phi), np.cos(phi), 0)


def neutral_candidates(kind: ArrayLike, eta: Floats, phi: Floats, energy: Floats) -> Floats:
    """Return ``(n, 7)`` neutral candidates, all 0 where the energy is; as in the public files, charge and pT are 0."""
    rows = _rows(len(energy), kind, 0, 0, eta, np.sin(phi), np.cos(phi), energy)
    rows[energy <= 0] = 0.0
    return rows
