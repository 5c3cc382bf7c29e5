"""Who races: our pairs of searcher and scheduler by their study settings, and other packages' by their adapters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import raise_hpo
from raise_hpo.errors import UserError, nearest
from raise_hpo.space import SearchSpace
from search_race.axes import Axes
from search_race.loop import Contestant
from search_race.ours import OURS, Ours, study

ANY_SPACE = SearchSpace.parse({"x": "uniform(0, 1)"})


@dataclass(frozen=True)
class Peer:
    """Another package's contestant: the adapter's ``module:class``, its options, and the packages to be installed."""

    adapter: str
    packages: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


_OPTUNA, _SYNE = "optuna_study:OptunaStudy", "syne_tune_asha:SyneTune"

PEERS = {
    "optuna-tpe-hyperband": Peer(_OPTUNA, ("optuna",), {"sampler": "tpe", "pruner": "hyperband"}),
    "optuna-tpe-sha": Peer(_OPTUNA, ("optuna",), {"sampler": "tpe", "pruner": "sha"}),
    "optuna-gp-sha": Peer(_OPTUNA, ("optuna", "torch"), {"sampler": "gp", "pruner": "sha"}),
    "syne-asha": Peer(_SYNE, ("syne-tune",), {"baseline": "ASHA"}),
    "syne-bohb": Peer(_SYNE, ("syne-tune",), {"baseline": "BOHB"}),
    "syne-bore": Peer(_SYNE, ("syne-tune",), {"baseline": "ASHABORE"}),
    "syne-cqr": Peer(_SYNE, ("syne-tune",), {"baseline": "ASHACQR"}),
    "smac": Peer("smac_facade:Smac", ("smac",)),
    "dehb": Peer("dehb_race:Dehb", ("dehb",)),
    "hyperopt-asha": Peer("ray_asha:RayASHA", ("hyperopt", "ray"), {"searcher": "hyperopt"}),
    "ray-asha": Peer("ray_asha:RayASHA", ("ray",), {"searcher": "random"}),
    "ray-bohb": Peer("ray_bohb:RayBOHB", ("ray", "hpbandster", "ConfigSpace")),
    "mobster-like": Peer("mobster_like:MobsterLike", ("scikit-learn",)),
}


def make(name: str, space: SearchSpace, epochs: int, seed: int, slots: int) -> Contestant:
    """A contestant at the start of a race.

    Raises:
        UserError: the search space cannot be told to it.
    """
    if name in OURS:
        return Ours(space, epochs, seed, slots, OURS[name])
    peer = PEERS[name]
    module, _, adapter = peer.adapter.partition(":")
    made: Contestant = getattr(import_module(f"search_race.peers.{module}"), adapter)(
        Axes(space), epochs, seed, slots, **peer.options
    )
    return made


def missing(name: str) -> str | None:
    """Why a contestant cannot race here, or None.

    Raises:
        UserError: there is no such contestant.
    """
    if name in OURS:
        try:
            study(OURS[name], ANY_SPACE, 9, 1)
        except UserError as error:
            return str(error)
        return None
    if name not in PEERS:
        raise UserError(f"--contestants has {name!r}, {nearest(name, [*OURS, *PEERS])}")
    absent = [package for package in PEERS[name].packages if _version(package) is None]
    return f"{', '.join(absent)} not installed; make bench-env installs all peers" if absent else None


def versions(name: str) -> str:
    """The packages that a contestant is made of, with their versions."""
    if name in OURS:
        return f"raise-hpo {_version('raise-hpo')}, code {our_code()}"
    return " ".join(f"{package} {_version(package)}" for package in PEERS[name].packages)


@cache
def our_code() -> str:
    """A short name of our algorithms' sources, so that results of different states of them are told apart."""
    home = Path(raise_hpo.__file__).parent
    folders = ("search", "schedule", "predict", "space")
    files = [home / "decide.py", home / "history.py"]
    files += [path for folder in folders for path in (home / folder).glob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:8]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
