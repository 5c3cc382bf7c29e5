"""Forecasts of a study under several schedulers and numbers of slots, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from raise_hpo.curves import CurveTable
from raise_hpo.defaults import default_config
from raise_hpo.drive.forecast import Forecast, forecast
from raise_hpo.drive.scaling import Scaling, scaling
from raise_hpo.drive.simulator import Costs
from raise_hpo.drive.study_curves import Curves, beyond
from raise_hpo.earlier import load_earlier
from raise_hpo.errors import UserError
from raise_hpo.history import Config
from raise_hpo.names import resolve_trainable
from raise_hpo.schedule import scheduler_of
from raise_hpo.study import StudySpec

ENOUGH_COMPLETE = 20

LEFT_OUT = (
    "that trainings of one configuration differ, that configurations can fail, the searcher's own time, and that "
    "trials on a node slow each other down; a trial that goes on from another one's checkpoint has its own curve's end"
)

NUMBERS = ("seconds", "node_hours", "kwh", "idle", "epochs", "trials", "reloads", "lost")
"""What of a forecast has a median."""


@dataclass
class Comparison:
    """A study, the curves and costs it is simulated with, and what came out.

    Attributes:
        study: The study.
        table: The recorded curves.
        costs: What is not training.
        curves: The curves of its trials.
        default: The default configuration, which each simulated study runs first.
        correlation: Rank correlation of predicted with recorded final losses, of configurations held out; None where
            too few trainings went to the last epoch to tell.
        notes: What is to be known of the forecasts, in sentences.
        runs: The forecasts.
        scaling: Cold against warm slots, if asked for.
    """

    study: StudySpec
    table: CurveTable
    costs: Costs
    curves: Curves
    default: Config | None
    correlation: float | None
    notes: list[str]
    runs: list[Forecast]
    scaling: list[Scaling]

    @classmethod
    def prepare(cls, study: StudySpec, table: CurveTable, costs: Costs, epoch_seconds: float | None) -> Comparison:
        """Fit the curves' model.

        Raises:
            UserError: The table and the study do not fit together.
        """
        defaults, default, why = _defaults(study)
        curves = Curves(study, table, defaults, epoch_seconds)
        if default is not None and (stranger := _stranger(curves, default)):
            default, why = None, stranger
        notes = [f"Without the default configuration's trial: {why}."] if why else []
        correlation = _correlation(curves) if len(table.complete()) >= ENOUGH_COMPLETE else None
        notes += _notes(study, table, correlation, epoch_seconds)
        return cls(study, table, costs, curves, default, correlation, notes, [], [])

    def simulate(self, studies: list[StudySpec], slots: list[int], seeds: int) -> Iterator[Forecast]:
        """Simulate each study on each number of slots with each seed, one after another.

        A slot has room for as many workers as trials start with in the study that the comparison was prepared for, and
        the epochs' seconds are those with so many if nothing else was said.
        """
        earlier = load_earlier(self.study)
        room = self.study.resources.starting_workers
        costs = replace(self.costs, epoch_workers=self.costs.epoch_workers or room)
        for study in studies:
            seeded = [study.changed(seed=study.seed + number) for number in range(seeds)]
            for count in slots:
                for each in seeded:
                    self.runs.append(forecast(each, self.curves, count, costs, self.default, earlier, room))
                    yield self.runs[-1]

    def compare_scaling(self, slots: list[int]) -> None:
        """Simulate a population of trials that take turns, on cold and on warm slots.

        A turn is as many epochs as there are to the scheduler's first rung, or one if it has none.
        """
        chunk = next(iter(scheduler_of(self.study).rungs), 1)
        rng = np.random.default_rng(self.study.seed)
        seconds = median(self.curves.seconds(self.study.space.sample(rng)) for _ in range(100))
        self.scaling = scaling(slots, chunk, seconds, self.costs)

    def medians(self) -> list[dict[str, Any]]:
        """One row for each searcher, scheduler, workers and number of slots: medians over the seeds."""
        groups: dict[tuple[str, str, str, int], list[Forecast]] = {}
        for run in self.runs:
            groups.setdefault((run.searcher, run.scheduler, run.workers, run.slots), []).append(run)
        return [
            {
                "searcher": searcher, "scheduler": scheduler, "workers": workers, "slots": slots,
                "best": [_median(values) for values in zip(*[run.best for run in runs], strict=True)],
                **{name: median(getattr(run, name) for run in runs) for name in NUMBERS},
            }
            for (searcher, scheduler, workers, slots), runs in groups.items()
        ]  # fmt: skip

    def document(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "study": self.study.name, "metric": self.study.objective.metric, "curves": self.table.name,
            "trainings": len(self.table), "rank_correlation": self.correlation,
            "costs": asdict(self.costs), "notes": self.notes, "medians": self.medians(),
            "runs": [asdict(run) for run in self.runs], "scaling": [asdict(row) for row in self.scaling],
        }  # fmt: skip


def _defaults(study: StudySpec) -> tuple[dict[str, Any], Config | None, str]:
    """The trainable's settings, its default configuration if the study runs it, and why that cannot be known."""
    try:
        trainable = resolve_trainable(study.trainable, study.import_from)
    except UserError as error:
        return {}, None, str(error) if study.default else ""
    defaults = dict(getattr(trainable, "defaults", {}))
    if not study.default:
        return defaults, None, ""
    try:
        return defaults, default_config(study, trainable), ""
    except UserError as error:
        return defaults, None, str(error)


def _stranger(curves: Curves, config: Config) -> str:
    """Why a configuration has no curve; empty if it has."""
    try:
        curves.metrics(config, 1)
    except UserError as error:
        return str(error)
    return ""


def _notes(study: StudySpec, table: CurveTable, correlation: float | None, epoch_seconds: float | None) -> list[str]:
    notes = [_trust(table, correlation)]
    stopped = int(np.isnan(table.losses[:, -1]).sum())
    if stopped:
        notes.append(
            f"{stopped} of the {len(table)} trainings were stopped early; their curves are continued like those that "
            "went on, which were the better ones."
        )
    if far := beyond(study, table):
        notes.append(f"The study searches further than the trainings went, where curves are a guess: {', '.join(far)}.")
    if table.seconds is None and epoch_seconds is None:
        notes.append("The curves tell no seconds_per_epoch: every epoch takes 1 s here; give --epoch-seconds.")
    return [*notes, f"Left out: {LEFT_OUT}."]


def _trust(table: CurveTable, correlation: float | None) -> str:
    if correlation is None:
        return (
            f"Only {len(table.complete())} trainings went to the last epoch, too few to tell how well the curves of "
            "other configurations are predicted."
        )
    return f"Final losses of configurations held out are predicted with rank correlation {correlation:.2f}."


def _correlation(curves: Curves) -> float | None:
    found = curves.surrogate.rank_correlation()
    return found if np.isfinite(found) else None


def _median(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None
