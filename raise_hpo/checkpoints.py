"""Which checkpoints a study keeps: those that trials may go on from, and the best."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from raise_hpo.folder import StudyFolder
from raise_hpo.history import ENDED, History, Trial


def drop_surplus(folder: Path, history: History, keep: int) -> None:
    """Remove the checkpoints of ended trials, but for the best `keep` finished ones and the best trial's.

    Args:
        folder: The study's folder.
        history: The study so far.
        keep: How many finished trials keep theirs.
    """
    kept = {trial.number for trial in _best_finished(history)[:keep]}
    best = history.best()
    for trial in history.trials:
        if trial.state in ENDED and trial.checkpoint and trial.number not in kept and trial is not best:
            (folder / trial.checkpoint[1]).unlink(missing_ok=True)


def keep_best(folder: StudyFolder, history: History) -> None:
    """Write the best configuration to ``best/config.yaml``, and its checkpoint to ``best/checkpoint.pt``."""
    best = history.best()
    if best is None:
        return
    folder.best.mkdir(exist_ok=True)
    (folder.best / "config.yaml").write_text(yaml.safe_dump(best.config, sort_keys=False))
    if best.checkpoint and (folder.path / best.checkpoint[1]).exists():
        shutil.copyfile(folder.path / best.checkpoint[1], folder.best / "checkpoint.pt")


def _best_finished(history: History) -> list[Trial]:
    finished = [trial for trial in history.trials if trial.state == "finished" and trial.value is not None]
    return sorted(finished, key=lambda trial: history.loss(trial.values[trial.epoch]))
