"""Read ROOT files that Delphes wrote, with uproot alone.

The rules are those of the public format's ntuplizer, see ``elements``. Branches are looked for under the names of the
card that made the public events (``PileUpMix``, ``PFChargedHadron`` ...) and under those of the cards that come with
Delphes (``Particle``, ``EFlowTrack`` ...).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raise_hpo.errors import UserError, first_line

from . import elements
from .particles import Floats, Ints
from .schema import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON, Event

_PARTICLES = ("PileUpMix", "Particle")
_CHARGED = (("PFChargedHadron", CHARGED_HADRON), ("PFElectron", ELECTRON), ("PFMuon", MUON), ("EFlowTrack", None))
_NEUTRAL = (
    *(("PFPhoton", PHOTON), ("PFNeutralHadron", NEUTRAL_HADRON)),
    *(("EFlowPhoton", PHOTON), ("EFlowNeutralHadron", NEUTRAL_HADRON)),
)
_FIELDS = {
    "particle": ("fUniqueID", "PID", "Charge", "PT", "Eta", "Phi", "E", "Px", "Py", "Pz"),
    "track": ("PT", "Eta", "Phi", "EtaOuter", "PhiOuter", "Charge", "Particle"),
    "tower": ("ET", "Eta", "Phi", "E", "Eem", "Ehad", "Particles"),
    "charged": ("PT", "Eta", "Phi", "Charge", "Particle"),
    "neutral": ("Eta", "Phi", "E"),
}
_OBJECT_NUMBER = 0xFFFFFF
"""The low bits of ROOT's fUniqueID, which references point to."""
_STEP = 100
"""Events read at a time."""

_Columns = dict[str, Any]


def read_delphes(path: Path) -> Iterator[Event]:
    """Read the events of a Delphes ROOT file.

    Where the file has no energy-flow branches, ``ycand`` is 0.

    Raises:
        UserError: the file is damaged, or has not the tree and branches of Delphes; or uproot is not installed.
    """
    try:
        import uproot
    except ImportError as error:
        raise UserError("reading ROOT files needs uproot: install raise-hpo[generate]") from error
    try:
        with uproot.open(path) as file:
            yield from _tree_events(path, file)
    except UserError:
        raise
    except Exception as error:  # damaged bytes can raise nearly anything
        cause = first_line(error)
        raise UserError(f"'{path}' is not a readable Delphes ROOT file: {cause}") from error


def _tree_events(path: Path, file: Any) -> Iterator[Event]:
    if "Delphes" not in file:
        raise UserError(f"'{path}' has no tree 'Delphes', so Delphes did not write it")
    tree = file["Delphes"]
    present = set(tree.keys(recursive=False))
    particles = next((name for name in _PARTICLES if name in present), None)
    for name in ("Track", "Tower"):
        if name not in present:
            raise UserError(f"'{path}' has no branch '{name}'; it needs {_PARTICLES[0]} (or Particle), Track and Tower")
    if particles is None:
        raise UserError(f"'{path}' has neither branch 'PileUpMix' nor 'Particle'")
    groups = {"particle": particles, "track": "Track", "tower": "Tower"}
    charged = [(name, kind) for name, kind in _CHARGED if name in present]
    neutral = [(name, kind) for name, kind in _NEUTRAL if name in present]
    for first in range(0, tree.num_entries, _STEP):
        read = {key: _read(tree, name, key, first) for key, name in groups.items()}
        flow = [(_read(tree, name, "charged", first), kind) for name, kind in charged]
        excess = [(_read(tree, name, "neutral", first), kind) for name, kind in neutral]
        for i in range(len(read["particle"]["PID"])):
            own = {key: _event(columns, i) for key, columns in read.items()}
            yield _convert(
                own, [(_event(c, i), kind) for c, kind in flow], [(_event(c, i), kind) for c, kind in excess]
            )


def _read(tree: Any, branch: str, fields: str, first: int) -> _Columns:
    arrays = {}
    for field in _FIELDS[fields]:
        arrays[field] = tree[f"{branch}.{field}"].array(library="np", entry_start=first, entry_stop=first + _STEP)
    return arrays


def _event(columns: _Columns, i: int) -> _Columns:
    return {name: _resolved(name, values[i]) for name, values in columns.items()}


def _resolved(name: str, values: Any) -> Any:
    if name == "Particle":
        return np.array([int(reference.member("ref")) for reference in values], dtype=np.int64)
    if name == "Particles":
        return [np.array(list(references), dtype=np.int64) for references in values]
    return np.asarray(values).astype(np.int64 if name in ("PID", "fUniqueID") else np.float64)


def _convert(
    own: dict[str, _Columns],
    flow: Sequence[tuple[_Columns, int | None]],
    excess: Sequence[tuple[_Columns, int]],
) -> Event:
    particle, track, tower = own["particle"], own["track"], own["tower"]
    row_of = {int(number): row for row, number in enumerate(particle["fUniqueID"] & _OBJECT_NUMBER)}
    behind = np.array([row_of[int(reference)] for reference in track["Particle"]], dtype=np.int64)
    x = np.concatenate([_track_elements(track, particle["PID"][behind]), _tower_elements(tower)])
    ygen = np.concatenate([_track_targets(particle, behind), _tower_targets(particle, behind, tower, row_of)])
    ycand = np.concatenate([_track_candidates(particle, track, flow), _tower_candidates(tower, excess)])
    return Event(x.astype(np.float32), ygen.astype(np.float32), ycand.astype(np.float32))


def _track_elements(track: _Columns, pdg: Ints) -> Floats:
    outer = track["EtaOuter"], track["PhiOuter"]
    return elements.track_rows(track["PT"], track["Eta"], track["Phi"], outer, track["Charge"], pdg)


def _tower_elements(tower: _Columns) -> Floats:
    x = elements.tower_rows(tower["E"], tower["Eta"], tower["Phi"], tower["Eem"], tower["Ehad"])
    x[:, 1] = tower["ET"]
    return x


def _track_targets(particle: _Columns, behind: Ints) -> Floats:
    return elements.track_targets(*(particle[name][behind] for name in ("PID", "PT", "Eta", "Phi", "E")))


def _tower_targets(particle: _Columns, behind: Ints, tower: _Columns, row_of: dict[int, int]) -> Floats:
    counts = [len(references) for references in tower["Particles"]]
    which = np.repeat(np.arange(len(counts)), counts)
    hit = np.array([row_of[int(number)] for numbers in tower["Particles"] for number in numbers], dtype=np.int64)
    trackless = ~np.isin(hit, behind)
    which, hit = which[trackless], hit[trackless]
    momentum = np.stack([particle[name][hit] for name in ("Px", "Py", "Pz", "E")], axis=1)
    return elements.tower_targets(len(counts), which, momentum, particle["PID"][hit], particle["Charge"][hit])


def _track_candidates(particle: _Columns, track: _Columns, flow: Sequence[tuple[_Columns, int | None]]) -> Floats:
    """Charged candidates beside the tracks of the same particle."""
    pdg_of = dict(zip((particle["fUniqueID"] & _OBJECT_NUMBER).tolist(), particle["PID"].tolist(), strict=True))
    row_of = {int(reference): row for row, reference in enumerate(track["Particle"])}
    ycand = np.zeros((len(track["PT"]), 7))
    for columns, kind in flow:
        pdg = np.array([pdg_of[int(reference)] for reference in columns["Particle"]], dtype=np.int64)
        kinds = elements.particle_class(pdg) if kind is None else np.full(len(pdg), kind)
        angles = columns["Eta"], columns["Phi"]
        rows = elements.charged_candidates(kinds, columns["Charge"], columns["PT"], *angles)
        for reference, row in zip(columns["Particle"], rows, strict=True):
            if int(reference) in row_of:
                ycand[row_of[int(reference)]] = row
    return ycand


def _tower_candidates(tower: _Columns, excess: Sequence[tuple[_Columns, int]]) -> Floats:
    """Neutral candidates beside the towers they came from, known by their very direction."""
    row_of = {direction: row for row, direction in enumerate(zip(tower["Eta"], tower["Phi"], strict=True))}
    ycand = np.zeros((len(tower["E"]), 7))
    for columns, kind in excess:
        rows = elements.neutral_candidates(kind, columns["Eta"], columns["Phi"], columns["E"])
        for direction, row in zip(zip(columns["Eta"], columns["Phi"], strict=True), rows, strict=True):
            if direction in row_of:
                ycand[row_of[direction]] = row
    return ycand
