"""How a configuration is to be trained; kept in the training's folder, so that its name is enough to go on with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from raise_hpo.decide import versions
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event, iterate
from raise_hpo.study import StudySpec
from raise_hpo.track import tracking_uri
from raise_hpo.train.choose import Choice
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.trial.record import write_whole

_LIMITS = ("epochs", "workers", "seed", "patience")


@dataclass(frozen=True)
class Plan:
    """How a configuration is to be trained.

    Attributes:
        choice: The study and the configuration.
        epochs: Epochs at most, from the first one.
        workers: Data-parallel workers.
        seed: The study's seed if None.
        patience: Stop after so many epochs without a better value; None to train all epochs.
    """

    choice: Choice
    epochs: int
    workers: int
    seed: int | None = None
    patience: int | None = None

    def study(self) -> StudySpec:
        """The training as a study of one trial, which is what its folder says."""
        study, choice = self.choice.study, self.choice
        resources = {**study.resources.model_dump(), "workers": self.workers, "survivors": None}
        mlflow = tracking_uri(choice.run, study.tracking.mlflow) if choice.run else study.tracking.mlflow
        return study.changed(
            max_epochs=self.epochs, budget={"trials": 1}, searcher="random", scheduler="none", stopper="none",
            default=False, warm_start=[], resources=resources, tracking={"mlflow": mlflow},
            objective=study.objectives[0].model_dump(), seed=study.seed if self.seed is None else self.seed,
        )  # fmt: skip

    def first_events(self, name: str) -> list[Event]:
        """What the journal of a training of this name begins with."""
        choice = self.choice
        training = {
            "run": str(choice.run.path.resolve()) if choice.run else None, "trial": choice.trial,
            "source": choice.source, "epochs": self.epochs, "patience": self.patience,
        }  # fmt: skip
        return [
            {
                "event": "study", "name": name, "study": self.study().resolved(), "versions": versions(), "slots": 1,
                "training": training,
            },
            {"event": "suggested", "trial": 0, "config": choice.config, "source": choice.source},
        ]  # fmt: skip

    def keep(self, folder: TrainingFolder) -> None:
        """Write the plan into a training's folder, in place of an earlier one."""
        choice = self.choice
        told = {
            "study": choice.study.resolved(), "config": choice.config, "source": choice.source, "trial": choice.trial,
            "run": str(choice.run.path.resolve()) if choice.run else None,
            **{name: getattr(self, name) for name in _LIMITS},
        }  # fmt: skip
        write_whole(folder.plan, json.dumps(told, indent=1).encode())


def kept_plan(folder: TrainingFolder) -> Plan:
    """The plan that was kept in a training's folder last.

    Raises:
        UserError: There is none.
    """
    if not folder.plan.is_file():
        raise UserError(f"training {folder.name} lacks {folder.plan.name}; go on by the command that began it")
    told: dict[str, Any] = json.loads(folder.plan.read_text())
    run = StudyFolder(Path(told["run"])) if told["run"] else None
    study = StudySpec.model_validate(told["study"])
    choice = Choice(study, told["config"], told["source"], run, told["trial"], History())
    return Plan(choice, **{name: told[name] for name in _LIMITS})


def first_events(folder: TrainingFolder) -> list[Event]:
    """What a training's journal begins with, or will begin with where it was submitted and not begun yet."""
    if folder.begun:
        return list(islice(iterate(folder.journal), 2))
    return kept_plan(folder).first_events(folder.name)
