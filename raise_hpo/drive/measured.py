"""What a study that was run has cost besides training, for simulating another one on the same machine."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

from raise_hpo.curve_files import READERS
from raise_hpo.drive.simulator import Costs
from raise_hpo.folder import find_study
from raise_hpo.history import History, Stay, Trial
from raise_hpo.report.facts import stays_by_slot, turnaround


def costs_of(curves: str) -> Costs:
    """The costs of the study that learning curves are of, by its name or folder; none if they are from a file.

    Raises:
        UserError: There is no such study.
    """
    if Path(curves).suffix in READERS and not Path(curves).is_dir():
        return Costs()
    return measured_costs(find_study(curves).history())


def measured_costs(history: History) -> Costs:
    """Medians of what a study's journal tells: start, building, and the time that a report takes.

    A checkpoint's time is in that of the report. Slots are warm, so that there is no reloading.
    """
    build = max(0.0, turnaround(history) or 0.0)
    starts = _first_batches(history)
    start = max(0.0, median(starts) - build) if starts else 0.0
    report = _report_seconds(history)
    return Costs(start_seconds=start, build_seconds=build, report_seconds=report, epoch_workers=_starting(history))


def _starting(history: History) -> int:
    """The workers that trials started with; 0 before the first one."""
    return next((trial.stays[0].workers for trial in history.trials if trial.stays), 0)


def _first_batches(history: History) -> list[float]:
    """For each slot the time from the study's start to its first batch; without those that were made on the way."""
    if not history.sessions:
        return []
    begin, end = history.sessions[0]
    firsts = [stays[0][1] for stays in stays_by_slot(history).values() if stays[0][1].workers == _starting(history)]
    return [stay.first_batch - begin for stay in firsts if stay.first_batch is not None and stay.began <= end]


def _report_seconds(history: History) -> float:
    """Median time between two reports of a stay that was not training or validation."""
    rest = [
        after - before - trial.metrics[epoch]["seconds"]
        for trial in history.trials
        for stay in trial.stays
        for before, after, epoch in _following_reports(trial, stay)
        if "seconds" in trial.metrics[epoch]
    ]
    return max(0.0, median(rest)) if rest else 0.0


def _following_reports(trial: Trial, stay: Stay) -> list[tuple[float, float, int]]:
    """The times of each two successive reports of a stay, and the epoch of the later one."""
    inside = [(time, epoch) for epoch, time in trial.times.items() if stay.began <= time <= stay.ended]
    return [(before, after, epoch) for (before, _), (after, epoch) in pairwise(inside)]
