"""Which checkpoints a study keeps: those that trials may go on from, and the best."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from raise_hpo.folder import StudyFolder
from raise_hpo.history import ENDED, History, Trial


def drop_replaced(folder: Path, history: History, replaced: Iterable[str]) -> None:
    """Remove checkpoints that a newer one, in the journal by now, has replaced, but those that heirs start from.

    Args:
        folder: The study's folder.
        history: The study so far.
        replaced: The older checkpoints, relative to the folder.
    """
    for path in replaced:
        if not history.sharing[path]:
            (folder / path).unlink(missing_ok=True)


def drop_surplus(folder: Path, history: History, keep: int) -> None:
    """Remove the checkpoints of ended trials, but for those that are needed.

    Args:
        folder: The study's folder.
        history: The study so far.
        keep: How many finished trials keep theirs.
    """
    needed = _needed(history, keep)
    for path in set(history.sharing) - needed:
        (folder / path).unlink(missing_ok=True)


def sweep(folder: StudyFolder, history: History, keep: int) -> None:
    """Remove every checkpoint that is not needed, also what a killed driver has left; only while no trial runs.

    Args:
        folder: The study's folder.
        history: The study so far.
        keep: How many finished trials keep theirs.
    """
    needed = {folder.path / path for path in _needed(history, keep)}
    for file in folder.checkpoints.glob("*"):
        if file not in needed:
            file.unlink(missing_ok=True)


def _needed(history: History, keep: int) -> set[str]:
    """Checkpoints of trials that may go on, heirs among them, of the best `keep` finished ones and of the best one.

    With several objectives, of the whole Pareto front.
    """
    alive = [trial for trial in history.trials if trial.state not in ENDED]
    best = history.front() if len(history.objectives) > 1 else history.front()[:1]
    wanted = [*alive, *_best_finished(history)[:keep], *best]
    return {path for trial in wanted for path in trial.files}


def keep_best(folder: StudyFolder, history: History) -> None:
    """Write the best configuration to ``best/config.yaml``, and its checkpoint to ``best/checkpoint.pt``.

    With several objectives, write the Pareto front to ``best/front.yaml`` too: values, configurations, checkpoints.
    """
    best = history.best()
    if best is None:
        return
    folder.best.mkdir(exist_ok=True)
    (folder.best / "config.yaml").write_text(yaml.safe_dump(best.config, sort_keys=False))
    if len(history.objectives) > 1:
        front = [_member(trial, history) for trial in history.front()]
        (folder.best / "front.yaml").write_text(yaml.safe_dump(front, sort_keys=False))
    if best.checkpoint and (folder.path / best.checkpoint[1]).exists():
        shutil.copyfile(folder.path / best.checkpoint[1], folder.best / "checkpoint.pt")


def _member(trial: Trial, history: History) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "values": history.objective_values(trial),
        "config": trial.config,
        "checkpoint": trial.checkpoint[1] if trial.checkpoint else None,
    }


def _best_finished(history: History) -> list[Trial]:
    finished = [trial for trial in history.trials if trial.state == "finished" and trial.value is not None]
    return sorted(finished, key=lambda trial: history.loss(trial.values[trial.epoch]))
