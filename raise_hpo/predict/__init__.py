"""Predictors: what a trial will reach, guessed from its first epochs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raise_hpo.curves import CurveTable
    from raise_hpo.predict.base import Predictor, Stopper
    from raise_hpo.space import SearchSpace

_HOMES = {
    "svr": "raise_hpo.predict.svr:SVRPredictor",
    "qsvr": "raise_hpo.predict.committee:QSVRPredictor",
    "svr-committee": "raise_hpo.predict.committee:ClassicalCommittee",
    "talk-svr": "raise_hpo.predict.talk:TalkSVR",
    "last": "raise_hpo.predict.last:LastValue",
    "drift": "raise_hpo.predict.last:Drift",
}

__all__ = ["make_predictor", "make_stopper"]


def make_predictor(name: str, seed: int = 0, **options: Any) -> Predictor:
    """The predictor of that name, with its options.

    Raises:
        UserError: It needs an extra that is not installed.
    """
    module, _, attribute = _HOMES[name].partition(":")
    predictor: Predictor = getattr(import_module(module), attribute)(seed, **options)
    return predictor


def make_stopper(
    name: str, space: SearchSpace, seed: int, max_epochs: int, earlier: Sequence[CurveTable] = (), **options: Any
) -> Stopper | None:
    """The stopper of that name, as a study file names it, with its options; None for ``none``.

    Raises:
        UserError: It needs an extra that is not installed.
    """
    if name == "none":
        return None
    from raise_hpo.predict.stopper import PredictingStopper

    return PredictingStopper(space, seed, max_epochs, earlier, predictor=name, **options)
