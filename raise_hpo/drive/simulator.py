"""A study on a virtual clock: the same decision core, with learning curves from a function in place of training."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from raise_hpo.decide import DecisionCore, Done, Run
from raise_hpo.history import Config

Curve = Callable[[Config, int], Mapping[str, float]]


@dataclass
class VirtualClock:
    """Seconds that pass only when the simulator says so."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Simulator:
    """Runs a core's trials over so many slots on a virtual clock.

    Args:
        core: The decision core; its `clock` must be this simulator's.
        curve: Metrics of a configuration at an epoch (counting from 1); may raise to make the trial fail.
        slots: Trials at a time.
        clock: The virtual clock.
        seconds: Duration of an epoch of a configuration.
        start_seconds: Time to build a trial's model, or to load its checkpoint.
    """

    core: DecisionCore
    curve: Curve
    slots: int
    clock: VirtualClock
    seconds: Callable[[Config], float] = lambda config: 1.0
    start_seconds: float = 0.0
    _queue: list[tuple[float, int, int, int]] = field(default_factory=list)
    _free: list[int] = field(default_factory=list)

    def run(self, reports: int | None = None) -> bool:
        """Run to the study's end, or for so many reports (as if the driver were killed then); True at the end."""
        self._free = list(range(self.slots))
        while True:
            done = self._fill()
            if not self._queue:
                return done
            if reports is not None:
                if reports == 0:
                    return False
                reports -= 1
            self._one_report()

    def _fill(self) -> bool:
        while self._free:
            action = self.core.next()
            if not isinstance(action, Run):
                return isinstance(action, Done)
            trial = action.trial
            slot = heapq.heappop(self._free)
            self.core.started(trial.number, "virtual", str(slot), 1, self.clock())
            self._push(trial.number, trial.checkpoint[0] if trial.checkpoint else 0, slot, self.start_seconds)
        return False

    def _push(self, number: int, epoch: int, slot: int, extra: float = 0.0) -> None:
        """The trial will report its next epoch when its time has passed."""
        config = self.core.history.trials[number].config
        heapq.heappush(self._queue, (self.clock.now + extra + self.seconds(config), number, epoch + 1, slot))

    def _one_report(self) -> None:
        self.clock.now, number, epoch, slot = heapq.heappop(self._queue)
        try:
            metrics = self.curve(self.core.history.trials[number].config, epoch)
        except Exception as error:
            self.core.failed(number, "error", f"{type(error).__name__}: {error}")
            heapq.heappush(self._free, slot)
            return
        decision = self.core.report(number, epoch, metrics, checkpoint=f"checkpoints/{number}/{epoch}")
        if decision.action == "continue" and epoch < self.core.study.max_epochs:
            self._push(number, epoch, slot)
        else:
            heapq.heappush(self._free, slot)
