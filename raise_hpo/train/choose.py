"""Which configuration a training is of: the best of a study's last run, one of its trials, the default, or a file's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raise_hpo.defaults import default_config
from raise_hpo.errors import UserError, nearest
from raise_hpo.folder import StudyFolder, all_studies, studies_root
from raise_hpo.history import Config, History, Trial
from raise_hpo.names import trainable_folder, trainable_names
from raise_hpo.paths import user_path
from raise_hpo.session import checked_trainable
from raise_hpo.space import flatten
from raise_hpo.study import Resources, StudyError, StudySpec, load_study_file
from raise_hpo.study.messages import mistakes_in
from raise_hpo.workers import SEARCHED
from raise_hpo.yaml_source import load_yaml


@dataclass(frozen=True)
class Choice:
    """What is to be trained.

    Attributes:
        study: The study as it stands in its file, overrides applied.
        config: The configuration, flat: what goes over the trainable's defaults and the study's ``config``.
        source: Where the configuration is from, in words.
        run: The run of the study that the training belongs to; None if there has been none.
        trial: The trial of that run which had this configuration; None for a file's.
        history: The run's history.
    """

    study: StudySpec
    config: Config
    source: str
    run: StudyFolder | None
    trial: int | None
    history: History

    @property
    def home(self) -> Path:
        """The folder below which the training is kept."""
        return self.run.path if self.run else studies_root() / self.study.name


def choose(reference: str | None, wanted: str, overrides: Sequence[str], option: str = "--config") -> Choice:
    """Find the study and the configuration.

    Args:
        reference: A study's name or folder, a study file, or a trainable's name; the most recent study if None.
        wanted: ``best``, ``default``, a trial's number, or a YAML file that holds a configuration.
        overrides: As for ``raise-hpo tune --set``.
        option: The option that `wanted` was given by, for messages.

    Raises:
        UserError: There is no such study or configuration, or the trainable or its data cannot be used.
    """
    run = _run_named(reference)
    file = str(run.study_file if run is not None else reference)
    study = load_study_file(file, overrides)
    run = run or _last_run(study)
    history = run.history() if run else History()
    trainable = checked_trainable(study, None)
    if wanted == "best" or wanted.isdecimal():
        trial = _trial(wanted, option, reference, run, history)
        return Choice(study, dict(trial.config), f"trial {trial.number} of {history.name}", run, trial.number, history)
    if wanted == "default":
        default = history.default()
        config = default_config(study, trainable) or {}
        return Choice(study, config, "the default configuration", run, default.number if default else None, history)
    return Choice(study, _from_file(wanted, option, trainable, study), wanted, run, None, history)


def _run_named(reference: str | None) -> StudyFolder | None:
    """The study on disk that is meant; None where the reference is a study file or a trainable."""
    studies = all_studies()
    if reference is None:
        if not studies:
            raise UserError(f"no study in {studies_root()}/ yet; name a study file, as in 'raise-hpo train study.yaml'")
        return studies[-1]
    named = StudyFolder(Path(reference))
    if named.journal.is_file():
        return named
    found = next((study for study in studies if study.name == reference), None)
    if found is None and not Path(reference).exists() and ":" not in reference and not trainable_folder(reference):
        names = [*(study.name for study in studies), *trainable_names()]
        raise UserError(
            f"'{reference}' is neither a study in {studies_root()}/ nor a study file nor a trainable; "
            f"{nearest(reference, names)}"
        )
    return found


def _last_run(study: StudySpec) -> StudyFolder | None:
    """The most recent run of the study in a file: of the same name and trainable."""
    for folder in reversed(all_studies()):
        begun = folder.history().study
        if begun.get("name") == study.name and begun.get("trainable") == study.trainable:
            return folder
    return None


def _trial(wanted: str, option: str, reference: str | None, run: StudyFolder | None, history: History) -> Trial:
    if run is None:
        raise UserError(
            f"{option} {wanted}: there is no run of {reference} in {studies_root()}/; start one by "
            f"'raise-hpo tune {reference}', or give {option} default or a YAML file"
        )
    if wanted == "best":
        if (best := history.best()) is None:
            raise UserError(f"{option} best: no trial of study {run.name} has reported a value yet")
        return best
    if int(wanted) >= len(history.trials):
        raise UserError(f"{option} {wanted}: study {run.name} has {len(history.trials)} trials, numbered from 0")
    return history.trials[int(wanted)]


def _from_file(wanted: str, option: str, trainable: type, study: StudySpec) -> Config:
    path = user_path(wanted)
    if not path.is_file():
        words = ["best", "default"]
        raise UserError(f"{option} {wanted}: is neither a file nor a trial's number; {nearest(wanted, words)}")
    config: dict[str, Any] = flatten(load_yaml(path).data)
    known = flatten(dict(getattr(trainable, "defaults", {})))
    for key in config:
        if known and key not in known and key not in SEARCHED:
            raise UserError(f"{path}: '{key}' is not a setting of {trainable.__name__}; {nearest(key, sorted(known))}")
    try:
        study.resources_of(config)
    except ValidationError as error:
        raise StudyError(mistakes_in(error, Resources), f"{path}: resources") from None
    return config
