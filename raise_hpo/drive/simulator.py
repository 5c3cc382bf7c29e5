"""A study on a virtual clock: the same decision core, with learning curves from a function in place of training."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from raise_hpo.decide import DecisionCore, Done, Run
from raise_hpo.drive.slots import Slots
from raise_hpo.history import Config, Trial
from raise_hpo.workers import WORKERS

Curve = Callable[[Config, int], Mapping[str, float]]


@dataclass
class VirtualClock:
    """Seconds that pass only when the simulator says so."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass(frozen=True)
class Costs:
    """What a study takes besides its epochs. All times are in seconds.

    Attributes:
        start_seconds: From the start of the cluster until its slots can take trials; once.
        build_seconds: Building a trial's model and loading its checkpoint, at the beginning of each stay on a slot.
        group_seconds: Starting the workers of a slot that must be made because a trial needs another number of them.
        reload_seconds: Loading interpreter, libraries and data for a trial on a slot that did not run it last. Warm
            slots keep these from trial to trial, and it is 0.
        checkpoint_seconds: Writing a checkpoint, after each epoch that has one.
        report_seconds: From the end of an epoch until the next one may begin.
        failures_per_node_hour: How often a node is lost, on average.
        recovery_seconds: From the loss of a node until another one has taken its place.
        slots_per_node: Trials at a time on a node, as they start.
        parallel_efficiency: What twice as many workers make of their time; 0.95 is twice as many that are 1.9 times as
            fast. An assumption, to be replaced by what is measured.
        epoch_workers: The number of workers that the epochs' seconds were measured with; that of a trial's start if 0.
        busy_watts: Power of a node whose slots all train.
        idle_watts: Power of a node whose slots are all free.
    """

    start_seconds: float = 0.0
    build_seconds: float = 0.0
    group_seconds: float = 0.0
    reload_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    report_seconds: float = 0.0
    failures_per_node_hour: float = 0.0
    recovery_seconds: float = 0.0
    slots_per_node: int = 1
    parallel_efficiency: float = 0.95
    epoch_workers: int = 0
    busy_watts: float = 0.0
    idle_watts: float = 0.0

    def nodes(self, slots: float) -> int:
        """How many nodes so many slots take."""
        return math.ceil(slots / self.slots_per_node)

    def speed(self, workers: int) -> float:
        """How much faster so many workers are than one."""
        return float(workers * self.parallel_efficiency ** math.log2(workers))

    def kwh(self, slots: float, seconds: float, busy_seconds: float) -> float:
        """Energy of all nodes over the given time, when their slots together were busy for `busy_seconds`."""
        idle = self.idle_watts * self.nodes(slots) * seconds
        return (idle + (self.busy_watts - self.idle_watts) / self.slots_per_node * busy_seconds) / 3.6e6


@dataclass
class _Stay:
    """A trial on a slot, with the epoch it trains."""

    trial: Trial
    slot: int
    workers: int
    began: float
    seconds: float
    epoch: int
    over: bool = False


@dataclass
class Simulator:
    """Runs a core's trials over so many slots on a virtual clock.

    A free slot takes what the core gives it. Where several are free, a trial goes to the one that ran it last, if that
    one has run no other since, and to the first otherwise. A trial that needs more workers than any free slot has gets
    a new slot, made of free ones.

    Args:
        core: The decision core; its `clock` must be this simulator's.
        curve: Metrics of a configuration at an epoch (counting from 1); may raise to make the trial fail.
        slots: Trials at a time, as they start.
        clock: The virtual clock. The caller lets the start of the cluster pass on it.
        seconds: Duration of an epoch of a configuration.
        costs: What is not training.
        seed: Decides when nodes are lost.
        slot_workers: The workers that a slot, as `slots` and the costs tell them, has room for; those that a trial
            starts with if None.

    Attributes:
        busy_seconds: Time that trials held slots, summed over slots; a trial with more workers holds more of them.
        reloads: Stays on a slot that had last run another trial, or none.
        trained: Epochs trained, those that a lost node made vain included.
        lost: Trials thrown off their slots by the loss of a node.
    """

    core: DecisionCore
    curve: Curve
    slots: int
    clock: VirtualClock
    seconds: Callable[[Config], float] = lambda config: 1.0
    costs: Costs = field(default_factory=Costs)
    seed: int = 0
    slot_workers: int | None = None
    busy_seconds: float = field(default=0.0, init=False)
    reloads: int = field(default=0, init=False)
    trained: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._queue: list[tuple[float, int, int, int, _Stay]] = []
        resources = self.core.study.resources
        self._starting = resources.starting_workers
        self._unit = self.slot_workers or self._starting
        self._base = self.costs.epoch_workers or self._starting
        places = self.slots * self._unit
        self._slots = Slots(places // self._starting, self._starting, places)
        self._running: dict[int, _Stay] = {}
        self._breaks = np.random.default_rng(self.seed)
        self._disruptions: list[tuple[float, int, bool]] = []
        self._down: dict[int, list[int]] = {}
        self._saved_at = _saved_at(self.core)
        for node in range(self.costs.nodes(self.slots)):
            self._will_break(node)

    def run(self, reports: int | None = None) -> bool:
        """Run to the study's end, or for so many reports (as if the driver were killed then); True at the end."""
        last = math.inf if reports is None else self.trained + reports
        while True:
            done = self._fill()
            if not self._running and (done or not self._down):
                return done
            if self.trained >= last:
                return False
            if self._disruptions and self._disruptions[0][0] <= self._next_report():
                self._disrupt()
            else:
                self._report()

    def _next_report(self) -> float:
        while self._queue and self._queue[0][4].over:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    # Trials

    def _fill(self) -> bool:
        """Give trials to the free slots; True if the study is over."""
        while self._slots.has_free:
            action = self.core.next()
            if not isinstance(action, Run):
                return isinstance(action, Done)
            self._begin(action.trial, action.workers)
        return False

    def _begin(self, trial: Trial, workers: int) -> None:
        slot, made = self._slots.take(trial.number, workers)
        costs = self.costs.build_seconds + (self.costs.group_seconds if made else 0.0)
        if self._slots.load(slot, trial.number):
            self.reloads += 1
            costs += self.costs.reload_seconds
        self.core.started(trial.number, "virtual", str(slot), workers, self.clock.now)
        epoch = trial.checkpoint[0] if trial.checkpoint else 0
        stay = _Stay(trial, slot, workers, self.clock.now, self._epoch_seconds(trial.config, workers), epoch)
        self._running[slot] = stay
        self._next_epoch(stay, costs)

    def _epoch_seconds(self, config: Config, workers: int) -> float:
        base = config.get(WORKERS, self._base)
        return self.seconds(config) * (self.costs.speed(base) / self.costs.speed(workers))

    def _next_epoch(self, stay: _Stay, extra: float) -> None:
        """The trial will report its next epoch when its time has passed."""
        stay.epoch += 1
        saving = self.costs.checkpoint_seconds if stay.epoch in self._saved_at else 0.0
        due = self.clock.now + extra + stay.seconds + saving + self.costs.report_seconds
        heapq.heappush(self._queue, (due, stay.trial.number, stay.epoch, stay.slot, stay))

    def _report(self) -> None:
        self.clock.now, number, epoch, slot, stay = heapq.heappop(self._queue)
        self.trained += 1
        try:
            metrics = self.curve(stay.trial.config, epoch)
        except Exception as error:
            self.core.failed(number, "error", f"{type(error).__name__}: {error}")
            self._slots.cool(slot)
            self._end(stay)
            return
        checkpoint = f"checkpoints/{number}/{epoch}" if epoch in self._saved_at else None
        decision = self.core.report(number, epoch, metrics, checkpoint)
        if decision.action == "continue" and epoch < self.core.study.max_epochs:
            self._next_epoch(stay, 0.0)
        else:
            self._end(stay)

    def _end(self, stay: _Stay) -> None:
        """The trial leaves its slot."""
        stay.over = True
        self.busy_seconds += (self.clock.now - stay.began) * (stay.workers / self._unit)
        del self._running[stay.slot]
        self._slots.give_back(stay.slot)

    # Nodes

    def _will_break(self, node: int) -> None:
        if self.costs.failures_per_node_hour > 0:
            wait = self._breaks.exponential(3600 / self.costs.failures_per_node_hour)
            heapq.heappush(self._disruptions, (self.clock.now + wait, node, True))

    def _disrupt(self) -> None:
        """A node is lost with all that ran on it, or one has taken its place."""
        self.clock.now, node, breaks = heapq.heappop(self._disruptions)
        a_node = self.costs.slots_per_node * self._unit
        places = range(node * a_node, min((node + 1) * a_node, self.slots * self._unit))
        if breaks:
            self._lose(node, places)
        else:
            self._slots.restore(places, self._down.pop(node))
            self._will_break(node)
        self._tell_capacity()

    def _lose(self, node: int, places: range) -> None:
        for slot in self._slots.on(places):
            if slot in self._running:
                stay = self._running[slot]
                self._end(stay)
                self.lost += 1
                self.core.failed(stay.trial.number, "lost", f"node{node} was lost")
        self._down[node] = self._slots.lose(places)
        heapq.heappush(self._disruptions, (self.clock.now + self.costs.recovery_seconds, node, False))

    def _tell_capacity(self) -> None:
        """The core must know the places that there are, where trials have several numbers of workers."""
        if not self.core.study.elastic:
            return
        nodes = [f"node{node}" for node in range(self.costs.nodes(self.slots)) if node not in self._down]
        places = self._slots.count
        self.core.has_capacity(places // self._starting, nodes, places)


def _saved_at(core: DecisionCore) -> frozenset[int]:
    """The epochs that end with a checkpoint, as in a real study."""
    every, last = core.study.checkpoints.every, core.study.max_epochs
    return frozenset({*range(every, last + 1, every), *core.scheduler.rungs, last})
