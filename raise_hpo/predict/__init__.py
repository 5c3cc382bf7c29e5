"""Predictors: what a trial will reach, guessed from its first epochs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raise_hpo.predict.base import Predictor

_HOMES = {
    "svr": "raise_hpo.predict.svr:SVRPredictor",
    "qsvr": "raise_hpo.predict.committee:QSVRPredictor",
    "svr-committee": "raise_hpo.predict.committee:ClassicalCommittee",
    "talk-svr": "raise_hpo.predict.talk:TalkSVR",
    "last": "raise_hpo.predict.last:LastValue",
}

__all__ = ["make_predictor"]


def make_predictor(name: str, seed: int = 0, **options: Any) -> Predictor:
    """The predictor of that name, with its options.

    Raises:
        UserError: It needs an extra that is not installed.
    """
    module, _, attribute = _HOMES[name].partition(":")
    predictor: Predictor = getattr(import_module(module), attribute)(seed, **options)
    return predictor
