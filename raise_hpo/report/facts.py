"""Figures that several views of a study share, each a function of its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from raise_hpo.history import History, Stay, Trial

ORDER = ("running", "finished", "paused", "stopped", "failed", "waiting")
"""The trials' states, in the order in which views name them."""


@dataclass(frozen=True)
class Comparison:
    """The best trial against the default configuration, at equal epochs.

    Attributes:
        best: The best trial.
        epoch: The epoch of its value.
        value: Its value there.
        default: The default configuration's trial.
        default_value: That trial's value at the same epoch; None if it has not reported that epoch.
        gain: What the best gained, as a share of the default's value; positive is better, whatever the mode.
    """

    best: Trial | None
    epoch: int | None
    value: float | None
    default: Trial | None
    default_value: float | None
    gain: float | None


def compare(history: History) -> Comparison:
    """The best trial so far and what it gained over the default configuration at the same epoch."""
    best, default = history.best(), history.default()
    if best is None:
        return Comparison(None, None, None, default, None, None)
    reached = default.values.get(best.epoch) if default else None
    gain = None
    if reached and best.value is not None:
        gain = (history.loss(reached) - history.loss(best.value)) / abs(reached)
    return Comparison(best, best.epoch, best.value, default, reached, gain)


def ranking(history: History) -> list[Trial]:
    """Trials with a value, best first: those that went further first, then by their last value; failed ones left out.

    This is the order that ASHA's rungs make, and needs no comparison between values of different epochs.
    """
    scored = [trial for trial in history.trials if trial.values and trial.state != "failed"]
    return sorted(scored, key=lambda trial: (-trial.epoch, history.loss(trial.value or 0.0)))


def ancestry(history: History, trial: Trial) -> list[tuple[int, Trial]]:
    """The trials whose training a trial rests on, the first one first and itself last, each with its first epoch.

    What a population finds is this schedule: the last configuration alone, trained from the start, is something else.
    """
    found: list[tuple[int, Trial]] = []
    last: Trial | None = trial
    while last is not None:
        found.append((last.parent[1] + 1 if last.parent else 1, last))
        last = history.trials[last.parent[0]] if last.parent else None
    return found[::-1]


def front(history: History) -> list[dict[str, Any]]:
    """The Pareto front's trials with their values and configurations; empty with one objective."""
    if len(history.objectives) < 2:
        return []
    return [
        {
            "trial": trial.number,
            "epoch": trial.epoch,
            "values": history.objective_values(trial),
            "config": dict(trial.config),
        }
        for trial in history.front()
    ]


@dataclass(frozen=True)
class Milestone:
    """One report of the study, and the best trial after it.

    Attributes:
        time: When, in seconds since the epoch.
        epochs: Epochs of all trials up to here.
        trial: The reporting trial.
        epoch: Its epoch.
        value: Its value.
        best: The best value then; None while there was none.
        best_epoch: The epoch of the best value.
    """

    time: float
    epochs: int
    trial: Trial
    epoch: int
    value: float
    best: float | None
    best_epoch: int


def milestones(history: History) -> Iterator[Milestone]:
    """Every report in the order of time, with the best value of the trials that had gone furthest by then."""
    reports = sorted((trial.times[epoch], trial.number, epoch) for trial in history.trials for epoch in trial.values)
    best: float | None = None
    furthest = 0
    for count, (time, number, epoch) in enumerate(reports, 1):
        trial = history.trials[number]
        value = trial.values[epoch]
        better = best is None or epoch > furthest or (epoch == furthest and history.loss(value) < history.loss(best))
        if trial.state != "failed" and epoch >= furthest and better:
            best, furthest = value, epoch
        yield Milestone(time, count, trial, epoch, value, best, furthest)


class WorkClock:
    """Turns times into seconds at work, so that the days between a stop and a resume take no room in a picture."""

    def __init__(self, history: History) -> None:
        self.sessions = history.sessions

    def __call__(self, time: float) -> float:
        """Seconds that drivers were at work until a time."""
        done = 0.0
        for begin, end in self.sessions:
            if time <= end:
                return done + max(0.0, time - begin)
            done += end - begin
        return done

    def resumes(self) -> list[float]:
        """When the study was taken up again, in seconds at work."""
        return [self(begin) for begin, _ in self.sessions[1:]]


def stays_by_slot(history: History) -> dict[tuple[str, str], list[tuple[Trial, Stay]]]:
    """The stays on each slot (node, number), in the order of time."""
    slots: dict[tuple[str, str], list[tuple[Trial, Stay]]] = defaultdict(list)
    for trial in history.trials:
        for stay in trial.stays:
            slots[stay.node, stay.slot].append((trial, stay))
    for stays in slots.values():
        stays.sort(key=lambda pair: pair[1].began)
    return dict(sorted(slots.items(), key=lambda item: (item[0][0], len(item[0][1]), item[0][1])))


def turnaround(history: History) -> float | None:
    """Median seconds from a stay's end to the first batch of the next one on the same slot, within a session."""
    starts = [begin for begin, _ in history.sessions[1:]]
    gaps = []
    for stays in stays_by_slot(history).values():
        for (_, before), (_, after) in pairwise(stays):
            apart = any(before.ended <= start <= after.began for start in starts)
            if after.first_batch is not None and not apart:
                gaps.append(after.first_batch - before.ended)
    return median(gaps) if gaps else None


@dataclass(frozen=True)
class Cost:
    """What a study took.

    Attributes:
        worker_hours: Hours that workers held their place for a trial, summed over workers.
        epochs: Epochs trained.
        kwh: Energy of the metered devices; None where nothing could be measured.
        metered: The share of epochs whose energy is known (0-1).
        gpu_busy: Mean GPU utilisation over epochs (0-1); None without a GPU.
    """

    worker_hours: float
    epochs: int
    kwh: float | None
    metered: float
    gpu_busy: float | None


def cost(history: History) -> Cost:
    """What the study took so far."""
    stays = [stay for trial in history.trials for stay in trial.stays]
    metrics = [metrics for trial in history.trials for metrics in trial.metrics.values()]
    joules = [each["energy_joule"] for each in metrics if "energy_joule" in each]
    busy = [each["gpu_busy"] for each in metrics if "gpu_busy" in each]
    return Cost(
        worker_hours=sum((stay.ended - stay.began) * stay.workers for stay in stays) / 3600,
        epochs=history.epochs,
        kwh=sum(joules) / 3.6e6 if joules else None,
        metered=len(joules) / len(metrics) if metrics else 0.0,
        gpu_busy=sum(busy) / len(busy) if busy else None,
    )


def failures(history: History) -> list[tuple[str, list[Trial]]]:
    """Failed trials by kind, the most frequent kind first."""
    kinds: dict[str, list[Trial]] = defaultdict(list)
    for trial in history.trials:
        if trial.failure:
            kinds[trial.failure[0]].append(trial)
    return sorted(kinds.items(), key=lambda item: -len(item[1]))


def seconds_per_epoch(history: History) -> float | None:
    """Mean time that a trial holds its slot for an epoch, building and loading included.

    A trial that has grown counts as holding as many slots as it has workers for those that it started with.
    """
    stays = [stay for trial in history.trials for stay in trial.stays]
    held = sum((stay.ended - stay.began) * stay.workers for stay in stays)
    return held / (stays[0].workers * history.epochs) if stays and history.epochs else None
