"""raise-hpo's own scheduler: successive halving by what trials are predicted to reach."""

from __future__ import annotations

from raise_hpo.history import Config, Decision
from raise_hpo.predict.forecast import Curves, forecast, renewals
from raise_hpo.schedule.asha import ASHA, Rung, ordinal, places_go_on
from raise_hpo.space import SearchSpace

_FEWEST = 10
"""Trials that must have reached a rung before a forecast is asked for."""


class CurveScheduler(ASHA):
    """ASHA in mode ``promotion`` in which trials rank by the loss that they are predicted to have.

    Predicted is the loss at the last epoch, or at the last rung that four trials have come to while that is lower (see
    `raise_hpo.predict.lift`). At a rung where the prediction's held-out rank correlation does not beat the last
    value's, and while too few trials have gone on from it to tell, trials rank by their last value, as in ASHA.

    Args:
        max_epochs: The epoch at which a trial is finished.
        space: The search space.
        seed: The study's seed.
        min_epochs: The first rung; if None the third epoch, or with few epochs the last of their first eighth.
        reduction_factor: One in so many goes on, at least 2.

    Raises:
        UserError: `min_epochs` is not below `max_epochs`.
    """

    name = "curve"
    uses_space = True

    def __init__(
        self, max_epochs: int, space: SearchSpace, seed: int, min_epochs: int | None = None, reduction_factor: float = 3
    ) -> None:
        super().__init__(max_epochs, min_epochs or _first_rung(max_epochs), reduction_factor, "promotion")
        self._curves = Curves(space, self.rungs, max_epochs)
        self._forecast: _Lifted | None = None
        self._top: dict[int, tuple[int, list[int]]] = {}

    def on_start(self, trial: int, config: Config) -> None:
        """Remember the configuration."""
        self._curves.start(trial, config)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record the loss."""
        super().on_report(trial, epoch, loss, more)
        self._curves.report(trial, epoch, loss)

    def decide(self, trial: int, epoch: int) -> Decision:
        """At a rung: continue among the best, else pause."""
        rung = self._rungs.get(epoch)
        lifted = self._lifted(rung) if rung else None
        if rung is None or lifted is None:
            return super().decide(trial, epoch)
        top = self._best(rung, lifted)
        words = f"rung of epoch {epoch}: {_standing(trial, top, len(rung))}"
        return Decision("continue" if trial in top else "pause", words)

    def need(self, trial: int, epoch: int) -> None:
        """No loss at the next rung says who goes on from it, and what trials will reach is predicted already."""
        return

    def resume(self) -> tuple[int, str] | None:
        """The best paused trial of the highest rung that has a place for it."""
        waited = (rung for rung in reversed(self._rungs.values()) if rung.best_waiting() is not None)
        return next((found for rung in waited if (found := self._promotion(rung))), None)

    def _promotion(self, rung: Rung) -> tuple[int, str] | None:
        lifted = self._lifted(rung)
        if lifted is None:
            return super()._promotion(rung)
        top = self._best(rung, lifted)
        trial = next((trial for trial in top if self._paused.get(trial) == rung.epoch), None)
        if trial is None:
            return None
        return trial, f"promoted at the rung of epoch {rung.epoch}: {_standing(trial, top, len(rung))}"

    def _lifted(self, rung: Rung) -> _Lifted | None:
        """The forecast, if it ranks the trials at a rung better than their last values do."""
        if len(self._curves.order) < _FEWEST:
            return None
        count = renewals(len(self._curves.order), 1, _FEWEST).last
        if self._forecast is None or self._forecast.count != count:
            self._forecast = _Lifted(self._curves, count)
        return self._forecast if self._forecast.ranks_better(rung.epoch) else None

    def _best(self, rung: Rung, lifted: _Lifted) -> list[int]:
        """The trials that go on from a rung, the best first."""
        count, top = self._top.get(rung.epoch, (-1, []))
        if count != len(self._curves.order):
            known = [trial for trial in rung.losses if trial in self._curves.units]
            top = sorted(known, key=lifted.level)[: self._places(rung)]
            self._top[rung.epoch] = (len(self._curves.order), top)
        return top


def _first_rung(max_epochs: int) -> int:
    """The first epochs of a training tell little of its end, and every trial that is begun has to be set up."""
    return min(3, max(1, max_epochs // 8))


class _Lifted:
    """The forecast after so many reports at rungs, and with the same model what came since."""

    def __init__(self, curves: Curves, count: int) -> None:
        self.count = count
        self._curves = curves
        self._forecast = forecast(curves, count)
        self._places = dict(zip(self._forecast.trials, self._forecast.places.tolist(), strict=True))
        self._later: dict[tuple[int, int], float] = {}

    def ranks_better(self, epoch: int) -> bool:
        """Whether held-out predictions from this rung to the next rank trials better than the last values do."""
        lift = self._forecast.lift
        if epoch >= lift.rungs[-1]:
            return False
        step = lift.steps[lift.rungs.index(epoch)]
        return step.rank > step.last

    def level(self, trial: int) -> float:
        """The predicted level of a trial at the forecast's epoch, from all that it has reported."""
        place = self._curves.place(trial)
        if self._places.get(trial) == place:
            return self._forecast.of[trial]
        if (trial, place) not in self._later:
            self._later[trial, place] = self._forecast.level(self._curves, trial, place)
        return self._later[trial, place]


def _standing(trial: int, top: list[int], among: int) -> str:
    place = f"{ordinal(top.index(trial) + 1)} of {among}" if trial in top else f"not among the best {len(top)}"
    return f"{place} by predicted loss, {places_go_on(len(top))}"
