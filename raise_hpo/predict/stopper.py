"""The stopper: ends trials that are predicted not to have what they need at the next rung."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raise_hpo.history import Decision, History
from raise_hpo.predict import make_predictor
from raise_hpo.predict.base import Floats, Guard, Judgement, Predictor, Stopper
from raise_hpo.predict.folds import held_out
from raise_hpo.predict.gather import Curves, Gatherer, losses_of
from raise_hpo.predict.guard import beats, rank_correlation
from raise_hpo.schedule.base import Need

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable
    from raise_hpo.space import SearchSpace

_FIRST = 6.0
_GROWTH = 1.2
_MOST = 200
_SHARES = (1.0, 1.5, 2.0, 3.0)


class PredictingStopper(Stopper):
    """Stops a trial whose predicted loss at the next rung is surely worse than what the rung needs.

    At a few epochs on the way to a rung a model that has learned from the trials which came as far predicts the loss
    there. Held-out predictions tell how far the model is off, and whether it ranks trials better than their last loss
    does; where it does not, the last loss and its usual change are the prediction.

    Args:
        space: The search space.
        seed: The study's seed.
        max_epochs: The epoch at which a trial is finished.
        earlier: Other studies' curves to learn from as well.
        predictor: ``svr``, ``qsvr``, or ``last`` for no model at all.
        known: The first share of a rung's epochs from which its loss is predicted.
        confidence: How many standard deviations the prediction must be worse than what the rung needs.
        min_curves: Curves to learn from at least.
        options: Options of the predictor.
    """

    def __init__(
        self, space: SearchSpace, seed: int, max_epochs: int, earlier: Sequence[CurveTable] = (),
        predictor: str = "svr", known: float = 0.25, confidence: float = 1.5, min_curves: int = 6, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(space, seed, max_epochs, earlier)
        self.predictor = predictor
        self.known = known
        self.confidence = confidence
        self.min_curves = min_curves
        self.options = options
        self._gatherer = Gatherer(space, earlier)
        self._lessons: dict[tuple[int, int, int], Lesson | None] = {}
        make_predictor(predictor, seed, **options)

    def judge(self, trial: int, need: Need, history: History) -> Judgement:
        """Judge a trial that has just reported and that the scheduler lets go on."""
        judged = history.trials[trial]
        if judged.epoch not in self._epochs(need.rung):
            return Judgement()
        curve = losses_of(history, judged, judged.epoch)
        lesson = self._lesson(history, judged.epoch, need.rung) if curve is not None else None
        if curve is None or lesson is None:
            return Judgement()
        mean, deviation = lesson.predict(self._gatherer.encode(judged), curve[None], need.loss)
        if not mean - self.confidence * deviation > need.loss:
            return Judgement(None, lesson.guard)
        words = f"predicted {mean:.6g} ± {deviation:.2g} at epoch {need.rung}, the rung needs {need.loss:.6g}"
        return Judgement(Decision("stop", words, (need.rung, mean)), lesson.guard)

    def _epochs(self, rung: int) -> set[int]:
        """The epochs at which trials on the way to a rung are judged."""
        return {epoch for share in _SHARES if (epoch := math.ceil(share * self.known * rung)) < rung}

    def _lesson(self, history: History, epoch: int, rung: int) -> Lesson | None:
        """What was learned from as many of the first trials at the rung as the last step of a growing sequence has."""
        reached = self._gatherer.reached(history, rung)
        count = _step(len(reached))
        key = (epoch, rung, count)
        if key not in self._lessons:
            until = history.reports.index((reached[count - 1], rung)) + 1 if count else len(history.reports)
            curves = self._gatherer.gather(history, reached[:count], epoch, rung, until)
            if curves is None and not count:
                return None
            self._lessons[key] = self._learn(curves, epoch, rung)
        return self._lessons[key]

    def _learn(self, curves: Curves | None, epoch: int, rung: int) -> Lesson | None:
        if curves is None or len(curves) < self.min_curves:
            return None
        return Lesson.learn(curves, epoch, rung, self._make, self.min_curves, self.seed)

    def _make(self) -> Predictor:
        return make_predictor(self.predictor, self.seed, **self.options)


@dataclass(frozen=True)
class Lesson:
    """What training curves tell about the way from one epoch to one rung.

    Attributes:
        guard: Which predictor is used, and why.
        model: The predictor, fitted.
        truth: The losses at the rung of the curves that errors are known of.
        errors: How much worse these were predicted, held out, than they came out.
    """

    guard: Guard
    model: Predictor
    truth: Floats
    errors: Floats

    @classmethod
    def learn(
        cls, curves: Curves, epoch: int, rung: int, make: Callable[[], Predictor], enough: int, seed: int
    ) -> Lesson:
        """Learn; this study's curves alone are the proof if there are enough."""
        known, truth = curves.losses[:, :epoch], curves.losses[:, rung - 1]
        proof = slice(0, curves.own if curves.own >= enough else len(curves))
        last = known[:, -1]
        model, drift = make(), make_predictor("drift", seed)
        if model.name == "last":
            trusted, guessed = False, last
        else:
            guessed = held_out(make, curves.units, known, truth, seed)
            trusted = beats(guessed[proof], last[proof], truth[proof], seed)
        if not trusted:
            model = drift
            expected = held_out(lambda: make_predictor("drift", seed), curves.units, known, truth, seed)
        else:
            expected = guessed
        rank, of_last = (rank_correlation(values[proof], truth[proof]) for values in (guessed, last))
        guard = Guard(rung, epoch, model.name if trusted else "last", rank, of_last, len(curves))
        model.fit(curves.units, known, truth)
        return cls(guard, model, truth[proof], (expected - truth)[proof])

    def predict(self, units: Floats, curve: Floats, need: float) -> tuple[float, float]:
        """A trial's loss at the rung, and how far predictions of those that have what the rung needs are off."""
        mean = float(self.model.expect(units, curve)[0])
        good = self.truth <= max(need, float(np.median(self.truth)))
        deviation = float(np.sqrt(np.mean(self.errors[good] ** 2)))
        return mean, deviation * (1 + 2 / len(self.truth))


def _step(count: int) -> int:
    """The largest number of a growing sequence that is not above `count`; 0 for very few."""
    steps = [0]
    while (following := math.ceil(max(_FIRST, steps[-1] * _GROWTH))) <= min(count, _MOST):
        steps.append(following)
    return steps[-1]
