"""What a study would find and cost, before it is run: its decision core on a virtual clock, over recorded curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.drive.study_curves import Curves
from raise_hpo.history import Config, History
from raise_hpo.study import StudySpec

SHARES = (0.125, 0.25, 0.5, 1.0)
"""The shares of the wall time at which a forecast tells the best value."""


@dataclass(frozen=True)
class Forecast:
    """What one simulated run of a study came to.

    Attributes:
        workers: The trials' workers, as a study file has them.
        slots: Trials at a time, as they start in the study that others are compared with.
        best: The best value of the objective reported by each of `SHARES` of the wall time; None before the first.
        seconds: Wall time, from the start of the cluster.
        node_hours: Hours of all nodes, which are held from the start to the end.
        kwh: Energy of all nodes.
        final: The last value of the trial that is the study's best; None if none has one.
        idle: Share of the slots' time in which no trial was on them (0-1).
        epochs: Epochs trained.
        trials: Trials started.
        reloads: Stays on a slot that had last run another trial, or none.
        lost: Failures of trials by the loss of their node.
    """

    searcher: str
    scheduler: str
    workers: str
    slots: int
    seed: int
    best: tuple[float | None, ...]
    final: float | None
    seconds: float
    node_hours: float
    kwh: float
    idle: float
    epochs: int
    trials: int
    reloads: int
    lost: int


def forecast(
    study: StudySpec, curves: Curves, slots: int, costs: Costs | None = None, default: Config | None = None,
    earlier: Sequence[CurveTable] = (), slot_workers: int | None = None,
) -> Forecast:  # fmt: skip
    """Run a study on a virtual clock.

    Args:
        study: The study.
        curves: Its learning curves.
        slots: Trials at a time, as they start.
        costs: What is not training.
        default: The default configuration, which a study runs first.
        earlier: The learning curves of earlier studies that the study begins from.
        slot_workers: The workers that a slot has room for; as many as a trial starts with if None.
    """
    costs = costs or Costs()
    clock = VirtualClock(costs.start_seconds)
    core = DecisionCore(study, lambda events: None, default, clock=clock, earlier=earlier)
    starting = study.resources.starting_workers
    places = slots * (slot_workers or starting)
    core.begin(study.name, places // starting, {}, places)
    simulator = Simulator(core, curves.metrics, slots, clock, curves.seconds, costs, study.seed, slot_workers)
    simulator.run()
    best = core.history.best()
    return Forecast(
        searcher=study.searcher.name,
        scheduler=study.scheduler.name,
        workers=study.resources.told(),
        slots=slots,
        seed=study.seed,
        best=best_by(core.history, [share * clock.now for share in SHARES]),
        final=best.value if best else None,
        seconds=clock.now,
        node_hours=costs.nodes(slots) * clock.now / 3600,
        kwh=costs.kwh(slots, clock.now, simulator.busy_seconds),
        idle=1.0 - simulator.busy_seconds / (slots * clock.now),
        epochs=simulator.trained,
        trials=len(core.history.trials),
        reloads=simulator.reloads,
        lost=simulator.lost,
    )


def best_by(history: History, times: list[float]) -> tuple[float | None, ...]:
    """The best value reported by each time, of any epoch; None before the first report."""
    reports = [
        (history.trials[trial].times[epoch], history.trials[trial].values[epoch]) for trial, epoch in history.reports
    ]
    losses = [(time, history.loss(value)) for time, value in reports]
    found = [min((loss for time, loss in losses if time <= until), default=None) for until in times]
    return tuple(None if loss is None else history.loss(loss) for loss in found)
