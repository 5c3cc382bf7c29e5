"""Why a study may scale better than its number of nodes, and why it need not once its slots are warm.

Where more trials share the nodes' time than there are nodes, most trials that go on find another trial's model and
data on their node and load theirs again. More nodes mean less of that. With `trials` trials on `nodes` nodes, going
on for `chunk` seconds at a time and loading for `load` seconds, a share of ``1 - nodes / trials`` of all stays load,
and the speed-up over fewer nodes is ``(nodes / fewer) * (1 + r (1 - fewer / trials)) / (1 + r (1 - nodes / trials))``
with ``r = load / chunk``: more than the ideal ``nodes / fewer``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.history import Config, Decision
from raise_hpo.schedule import Scheduler
from raise_hpo.study import StudySpec

_ROUNDS = 20


class TimeSharing(Scheduler):
    """All trials take turns of a few epochs; among those that are equally far, who paused last goes on first.

    Args:
        max_epochs: The epoch at which a trial is finished.
        trials: How many trials share the slots; the first turns wait until all have started.
        chunk: Epochs of a turn.
    """

    name = "time-sharing"

    def __init__(self, max_epochs: int, trials: int, chunk: int) -> None:
        super().__init__(max_epochs)
        self.chunk = chunk
        self._to_start = trials
        self._paused: dict[int, int] = {}

    @property
    def rungs(self) -> tuple[int, ...]:
        """The end of each turn."""
        return tuple(range(self.chunk, self.max_epochs, self.chunk))

    def on_start(self, trial: int, config: Config) -> None:
        """One trial less to wait for."""
        self._to_start -= 1

    def on_pause(self, trial: int, epoch: int) -> None:
        """Remember where it is; the order of the memory is that of the pauses."""
        self._paused[trial] = epoch

    def on_resume(self, trial: int, epoch: int) -> None:
        """It is on a slot again."""
        del self._paused[trial]

    def decide(self, trial: int, epoch: int) -> Decision:
        """Pause at the end of each turn."""
        return Decision("continue" if epoch % self.chunk else "pause", "turns")

    def resume(self) -> tuple[int, str] | None:
        """The trial that is least far; of several, the one that paused last."""
        if self._to_start > 0 or not self._paused:
            return None
        least = min(self._paused.values())
        return next((trial, "its turn") for trial in reversed(self._paused) if self._paused[trial] == least)


@dataclass(frozen=True)
class Scaling:
    """Wall times of a time-shared population on some slots, and speed-ups over the fewest slots.

    Attributes:
        cold: With loading on a slot that did not run the trial last.
        warm: With slots that keep what is loaded.
        predicted: The speed-up with loading, by the formula above.
        ideal: The ratio of slots.
    """

    slots: int
    cold_seconds: float
    warm_seconds: float
    cold: float
    warm: float
    predicted: float
    ideal: float


def scaling(
    slots: list[int], chunk: int, epoch_seconds: float, costs: Costs, trials: int | None = None
) -> list[Scaling]:
    """Compare cold and warm slots on a population of trials that take turns.

    Args:
        slots: Trials at a time, for each comparison.
        chunk: Epochs of a turn.
        epoch_seconds: Seconds of an epoch.
        costs: With `reload_seconds`, which the warm slots are spared.
        trials: The population; as many as the most slots if not given.
    """
    trials = trials or max(slots)
    fewest = min(slots)
    cold = {count: _seconds(count, trials, chunk, epoch_seconds, costs) for count in slots}
    warm_costs = replace(costs, reload_seconds=0.0)
    warm = {count: _seconds(count, trials, chunk, epoch_seconds, warm_costs) for count in slots}
    turn = costs.build_seconds + chunk * (epoch_seconds + costs.report_seconds) + costs.checkpoint_seconds
    return [
        Scaling(
            count, cold[count], warm[count], cold[fewest] / cold[count], warm[fewest] / warm[count],
            speed_up(fewest, count, trials, costs.reload_seconds / turn), count / fewest,
        )
        for count in sorted(slots)
    ]  # fmt: skip


def speed_up(fewer: int, nodes: int, trials: int, load_to_chunk: float) -> float:
    """How much faster a time-shared population is on more nodes; see the module's text."""
    loading = [1 + load_to_chunk * (1 - count / trials) for count in (fewer, nodes)]
    return nodes / fewer * loading[0] / loading[1]


def _seconds(slots: int, trials: int, chunk: int, epoch_seconds: float, costs: Costs) -> float:
    study = StudySpec(
        trainable="time-sharing", search_space={"x": "uniform(0, 1)"}, searcher="random", scheduler="none",
        default=False, max_epochs=_ROUNDS * chunk, budget={"trials": trials}, checkpoints={"every": _ROUNDS * chunk},
    )  # fmt: skip
    clock = VirtualClock()
    core = DecisionCore(study, lambda events: None, clock=clock)
    core.scheduler = TimeSharing(study.max_epochs, trials, chunk)
    core.begin(study.name, slots, {})
    value = {study.objective.metric: 0.0}
    Simulator(core, lambda config, epoch: value, slots, clock, lambda config: epoch_seconds, costs).run()
    return clock.now
