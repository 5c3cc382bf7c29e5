"""Swift-Hyperband: Hyperband that stops trials within a stage by a prediction of the stage's end."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Config, Decision
from raise_hpo.predict.svr import SVRPredictor
from raise_hpo.schedule.hyperband import Bracket, Hyperband
from raise_hpo.schedule.rung import ordinal
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder

Floats = NDArray[np.float64]


class Predictions:
    """The learning curves of all brackets, and what is predicted from them.

    Args:
        space: The search space.
        seed: Seed of the predictors.
        least: Curves that a predictor is trained on at least.
    """

    def __init__(self, space: SearchSpace, seed: int, least: int) -> None:
        self.least = least
        self._seed = seed
        self._encoder = Encoder(space)
        self._units: dict[int, Floats] = {}
        self._losses: dict[int, list[float]] = {}
        self._complete: dict[int, list[int]] = {}
        self._learned: set[int] = set()
        self._predictors: dict[tuple[int, int], SVRPredictor] = {}

    def start(self, trial: int, config: Config) -> None:
        """A trial begins."""
        self._units[trial] = self._encoder.encode([config])[0]
        self._losses[trial] = []

    def report(self, trial: int, loss: float) -> None:
        """A trial's next loss."""
        self._losses[trial].append(loss)

    def learn(self, trial: int, end: int) -> None:
        """A trial has reached the end of a stage without being judged before: predictors may learn from it."""
        self._complete.setdefault(end, []).append(trial)
        self._learned.add(trial)

    def forget(self, trial: int) -> None:
        """A trial has ended; its curve stays if it is learned from."""
        if trial not in self._learned:
            self._units.pop(trial)
            self._losses.pop(trial)

    def missing(self, end: int) -> int:
        """How many more curves are wanted to predict the losses at a stage's end."""
        return self.least - len(self._complete.get(end, ()))

    def predict(self, trials: list[int], known: int, end: int) -> Floats | None:
        """The trials' losses at a stage's end from the known epochs; None with too few curves to learn from.

        A predictor is trained once, when it is first needed, as published.
        """
        if (known, end) not in self._predictors:
            if self.missing(end) > 0:
                return None
            complete = self._complete[end]
            finals = np.array([self._losses[trial][end - 1] for trial in complete])
            self._predictors[known, end] = SVRPredictor(self._seed).fit(*self._seen(complete, known), finals)
        return self._predictors[known, end].expect(*self._seen(trials, known))

    def _seen(self, trials: list[int], known: int) -> tuple[Floats, Floats]:
        units = np.array([self._units[trial] for trial in trials])
        return units, np.array([self._losses[trial][:known] for trial in trials])


class SwiftBracket(Bracket):
    """A bracket whose stages have a decision point on the way.

    The first trials to get there are trained on; the others pause until those have reached the stage's end. Then a
    prediction decides who of the others goes on.
    """

    def __init__(
        self,
        title: str,
        trials: int,
        epochs: tuple[int, ...],
        factor: float,
        rule: SwiftHyperband,
        predictions: Predictions,
    ) -> None:
        super().__init__(title, trials, epochs, factor)
        self.points = _decision_points(epochs, rule.known)
        self.rule = rule
        self.predictions = predictions
        self.trained: set[int] = set()

    @property
    def point(self) -> int:
        """The epoch of the stage's decision point; the stage's end where a stage is too short for one."""
        return self.points[self.stage]

    def report(self, trial: int, epoch: int, loss: float) -> None:
        """Choose at the decision point who is trained on to learn from; learn at the stage's end."""
        if epoch == self.point and self._wants_more():
            self.trained.add(trial)
        super().report(trial, epoch, loss)
        if epoch == self.epoch and trial in self.trained:
            self.predictions.learn(trial, epoch)

    def _wants_more(self) -> bool:
        """Whether one more trial should be trained to the stage's end before any is predicted."""
        on_the_way = len(self.trained & self.going - self.rung.losses.keys())
        return len(self.trained) < self.rule.train * self.places or on_the_way < self.predictions.missing(self.epoch)

    def decide(self, trial: int, epoch: int) -> Decision:
        """Pause at the decision point, but for those to learn from, and at the stage's end."""
        if epoch != self.point or epoch == self.epoch:
            return super().decide(trial, epoch)
        if trial in self.trained:
            return Decision("continue", f"{self.words()}: trained to its end, to learn from")
        return Decision("pause", f"{self.words()}: waits to be compared by prediction")

    def end(self, trial: int) -> None:
        """A trial has ended, wherever it was."""
        if trial not in self.rung.losses:
            self.trained.discard(trial)
        super().end(trial)

    def _settle(self) -> None:
        """When nobody is on the way, judge those at the decision point; when there are none, end the stage."""
        if not (self.free or self.going):
            halfway = sorted(self.paused - self.rung.losses.keys())
            if halfway:
                self._judge(halfway)
        super()._settle()

    def _judge(self, halfway: list[int]) -> None:
        """Those at the decision point go on or are given up."""
        self.paused -= set(halfway)
        predicted = self.predictions.predict(halfway, self.point, self.epoch)
        if predicted is None:
            words = f"{self.words()}: too few curves to predict from"
            self.promoted.update(dict.fromkeys(halfway, words))
        else:
            self._compare(dict(zip(halfway, predicted.tolist(), strict=True)))
        self.going |= self.promoted.keys()

    def _compare(self, predicted: dict[int, float]) -> None:
        """Go on with those predicted to be among the best, and with as many more as the next stage has places for."""
        reached = list(self.rung.losses.values())
        limit = float(np.quantile(reached, self.rule.quantile)) if reached else -math.inf
        goes_on = max(self.places - len(reached), sum(loss < limit for loss in predicted.values()))
        others = f"; the best {self.rule.quantile:.0%} of {len(reached)} others reached {limit:.6g}" if reached else ""
        for place, trial in enumerate(sorted(predicted, key=lambda trial: (predicted[trial], trial)), 1):
            words = f"{self.words()}: predicted {predicted[trial]:.6g}, {ordinal(place)} of {len(predicted)}"
            (self.promoted if place <= goes_on else self.dropped)[trial] = words + others

    def _advance(self) -> None:
        super()._advance()
        self.trained = set()


class SwiftHyperband(Hyperband):
    """Swift-Hyperband as published (García Amboage, Wulff, Girone & Pena 2024, arXiv:2311.17508).

    In each stage of a Hyperband bracket some trials are trained to the stage's end and the others to a decision point
    on the way. A support vector regression on configurations and partial curves, trained on the former, predicts
    where the latter would end. Those that are not predicted to be as good as the best of the former stop there, but
    for as many as the next stage has places for. Nothing proves the predictor's worth first; the stoppers `svr` and
    `qsvr` do that, with any scheduler. Where the paper leaves details open they are those of the authors' program, and
    so are the defaults, but for its `reduction_factor` of 2. With too few curves to learn from nobody is stopped.

    Args:
        max_epochs: The epoch at which a trial is finished.
        space: The search space.
        seed: Seed of the predictors.
        min_epochs: As for `Hyperband`.
        reduction_factor: As for `Hyperband`.
        brackets: As for `Hyperband`.
        known: The decision point, as a share of a stage's epochs.
        train: Trials that each stage trains to its end first, as a share of those that go on from it.
        min_curves: Curves that a predictor is trained on at least; stages train more trials first to get them.
        quantile: The share of the trials trained to the stage's end that a prediction is compared with the worst of.

    Raises:
        UserError: As for `Hyperband`.
    """

    name = "swift_hyperband"
    uses_space = True

    def __init__(
        self, max_epochs: int, space: SearchSpace, seed: int, min_epochs: int = 1, reduction_factor: float = 3,
        brackets: int | None = None, known: float = 0.5, train: float = 0.5, min_curves: int = 15,
        quantile: float = 0.25,
    ) -> None:  # fmt: skip
        super().__init__(max_epochs, min_epochs, reduction_factor, brackets)
        self.known = known
        self.train = train
        self.quantile = quantile
        self._predictions = Predictions(space, seed, min_curves)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which stages end or have their decision points, of all brackets, in rising order."""
        points = {point for first in range(self._cycle) for point in _decision_points(self._ends[first:], self.known)}
        return tuple(sorted({*points, *super().rungs} - {self.max_epochs}))

    def _bracket(self, title: str, trials: int, epochs: tuple[int, ...]) -> Bracket:
        return SwiftBracket(title, trials, epochs, self.reduction_factor, self, self._predictions)

    def on_start(self, trial: int, config: Config) -> None:
        """The trial joins a bracket, and its curve may be learned from."""
        self._predictions.start(trial, config)
        super().on_start(trial, config)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record the loss, which the predictors see."""
        if trial in self._of:
            self._predictions.report(trial, loss)
        super().on_report(trial, epoch, loss, more)

    def on_end(self, trial: int) -> None:
        """The trial's bracket waits for it no longer."""
        if trial in self._of:
            self._predictions.forget(trial)
        super().on_end(trial)


def _decision_points(epochs: tuple[int, ...], known: float) -> tuple[int, ...]:
    """The epoch after a share of each stage; the stage's end where that is all of it."""
    return tuple(begin + math.ceil((end - begin) * known) for begin, end in pairwise((0, *epochs)))
