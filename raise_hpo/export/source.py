"""Which trained model is meant: a study's best, a training's best, or one checkpoint; and the model itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Trial
from raise_hpo.journal import iterate
from raise_hpo.study import StudySpec
from raise_hpo.train.folder import TRAININGS, TrainingFolder, find_study_or_training
from raise_hpo.trial.spec import TrialSpec

if TYPE_CHECKING:
    from torch import nn

_TRIAL = re.compile(r"trial-(\d+)-epoch-\d+\.pt")


@dataclass(frozen=True)
class Source:
    """A checkpoint and the trial that it is of.

    Attributes:
        folder: The study's or the training's folder.
        trial: The trial.
        checkpoint: The checkpoint's file.
    """

    folder: StudyFolder
    trial: Trial
    checkpoint: Path

    def model(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """The model as it is to be used, with the checkpoint's weights, and example inputs by name.

        Raises:
            UserError: The trainable does not tell how its model is used, or the checkpoint is not of this trial.
        """
        from raise_hpo.trial.failures import TrialFailure
        from raise_hpo.trial.make import make_runner

        runner = make_runner(self._spec())
        try:
            runner.load(self.checkpoint.read_bytes())
        except (KeyError, RuntimeError, ValueError, TrialFailure) as error:
            raise UserError(
                f"{self.checkpoint} does not fit trial {self.trial.number} of {self.folder.name} "
                f"({str(error).splitlines()[0]})"
            ) from None
        module, examples = runner.trainable.inference()
        return module.cpu().eval(), {name: value.cpu() for name, value in examples.items()}

    def _spec(self) -> TrialSpec:
        study = StudySpec.model_validate(self.folder.history().study)
        return TrialSpec(
            trial=self.trial.number, trainable=study.trainable, config=self.trial.config, fixed=study.config,
            seed=study.seed, data=study.data, precision="fp32", lr_scaling="off", folder=self.folder.path,
            checkpoint=None, save_at=frozenset(), import_from=study.import_from,
        )  # fmt: skip


def find_source(reference: str | None) -> Source:
    """The trained model of a reference.

    Args:
        reference: A study or a training by name or folder, or a checkpoint's file in one; the latest study if None.

    Raises:
        UserError: There is no such study or training, or it has no checkpoint.
    """
    if reference is not None and (file := Path(reference)).is_file():
        return _of_file(file)
    folder = find_study_or_training(reference)
    checkpoint, best = folder.best / "checkpoint.pt", folder.history().best()
    if best is None or not checkpoint.is_file():
        raise UserError(f"{folder.name} has no best checkpoint yet: {checkpoint} is missing")
    return Source(folder, best, checkpoint)


def _of_file(file: Path) -> Source:
    home = file.resolve().parent.parent
    folder = TrainingFolder(home) if home.parent.name == TRAININGS else StudyFolder(home)
    if not folder.begun:
        raise UserError(f"{file} is in no study's or training's folder, so its configuration is not known")
    history = folder.history()
    if match := _TRIAL.fullmatch(file.name):
        if int(match[1]) >= len(history.trials):
            raise UserError(f"{file}: study {folder.name} has no trial {int(match[1])}")
        return Source(folder, history.trials[int(match[1])], file)
    trial = history.trials[0] if "training" in next(iterate(folder.journal)) else history.best()
    if trial is None:
        raise UserError(f"{file}: no trial of {folder.name} has reported a value yet")
    return Source(folder, trial, file)
