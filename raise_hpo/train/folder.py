"""A training's folder: a study's folder with one trial in it, below the study that the training belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from raise_hpo.errors import UserError, nearest
from raise_hpo.folder import StudyFolder, find_study, known_study, studies_root
from raise_hpo.history import History
from raise_hpo.train.progress import progress_of

TRAININGS = "trainings"
_NAME = re.compile(r"training-(\d+)")


@dataclass(frozen=True)
class TrainingFolder(StudyFolder):
    """The files of one training; journal, study file, best model and report are where a study has its own."""

    kind = "training"

    @property
    def name(self) -> str:
        """The study's name and the training's: ``mlpf-1/training-2``."""
        return f"{self.path.parent.parent.name}/{self.path.name}"

    @property
    def plan(self) -> Path:
        """How the training was asked for last."""
        return self.path / "plan.json"

    @property
    def epochs(self) -> Path:
        """What rank 0 has done: every epoch's metrics, and every checkpoint once it is written."""
        return self.path / "epochs.jsonl"

    @property
    def failures(self) -> Path:
        """What befell workers, as Ray Train's controller saw it."""
        return self.path / "failures.jsonl"

    @property
    def log(self) -> Path:
        """What the trainable prints, and tracebacks."""
        return self.logs / "training.log"

    @property
    def session(self) -> Path:
        """The number of the session whose workers may write here."""
        return self.path / "session"

    def best_model(self, history: History) -> tuple[int, int] | None:
        """Trial and epoch of the model that is kept as the best: of all epochs, not only of the last."""
        best = progress_of(history).best
        return (0, best) if best else None

    def checkpoint(self, epoch: int) -> str:
        """The checkpoint after an epoch, relative to this folder."""
        return f"checkpoints/epoch-{epoch:05d}.pt"


def trainings_of(home: Path) -> list[TrainingFolder]:
    """The trainings in a study's folder that were begun or submitted, in the order of their numbers."""
    numbered = {int(match[1]): path for path in (home / TRAININGS).glob("*") if (match := _NAME.fullmatch(path.name))}
    folders = [TrainingFolder(numbered[number]) for number in sorted(numbered)]
    return [folder for folder in folders if folder.is_there]


def new_training_folder(home: Path) -> TrainingFolder:
    """Make the folder of a study's next training."""
    place = home / TRAININGS
    place.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(match[1]) for path in place.iterdir() if (match := _NAME.fullmatch(path.name))), default=0)
    while True:
        folder = TrainingFolder(place / f"training-{number}")
        try:
            folder.path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def all_trainings() -> list[TrainingFolder]:
    """Every training below the root, those of each study in the order of their numbers."""
    homes = sorted(path.parent for path in studies_root().glob(f"*/{TRAININGS}"))
    return [training for home in homes for training in trainings_of(home)]


def folder_at(path: Path) -> StudyFolder:
    """The folder of a study or a training at this place."""
    is_training = path.parent.name == TRAININGS and _NAME.fullmatch(path.name)
    return TrainingFolder(path) if is_training else StudyFolder(path)


def find_training(reference: str) -> TrainingFolder | None:
    """The training of this name (``mlpf-1/training-2``) or folder; None if a reference has not that form.

    Raises:
        UserError: It has, and there is no such training.
    """
    path = Path(reference)
    if not _NAME.fullmatch(path.name):
        return None
    for place in (path.absolute(), studies_root() / path.parent / TRAININGS / path.name):
        if isinstance(found := folder_at(place), TrainingFolder) and found.is_there:
            return found
    # A study may have a name of this form.
    if known_study(reference) or StudyFolder(path).begun:
        return None
    names = [training.name for training in all_trainings()]
    raise UserError(f"no training '{reference}' in {studies_root()}/: {nearest(reference, names)}")


def find_study_or_training(reference: str | None) -> StudyFolder:
    """A study or a training by name or folder; the most recently changed study without a reference.

    Raises:
        UserError: There is no such study or training, or no study at all.
    """
    return (find_training(reference) if reference else None) or find_study(reference)
