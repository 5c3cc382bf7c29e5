"""The study: what is searched, how, with which budget and resources."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, model_validator

from raise_hpo.paths import absolute_data
from raise_hpo.schedule.names import KNOWING_WHAT_FITS
from raise_hpo.space import SearchSpace, flatten, nest
from raise_hpo.space.conversions import plain_space
from raise_hpo.space.errors import shown
from raise_hpo.study.choices import Scheduler, Searcher, Stopper, name_of
from raise_hpo.study.messages import Mistake, StudyError, mistakes_in
from raise_hpo.study.objectives import PrimaryObjective, all_of, unable
from raise_hpo.study.searched import most_workers, resources_of, searched_mistakes
from raise_hpo.study.settings import Budget, Checkpoints, Limits, Objective, Resources, Settings, Tracking
from raise_hpo.study.sources import written_out
from raise_hpo.workers import WORKERS, by_rung
from raise_hpo.yaml_source import dump_yaml


def _default_name(fields: dict[str, Any]) -> str:
    """The trainable's last name part: ``mlpf``, or ``Net`` for ``package.module:Net``."""
    return str(fields.get("trainable", "study")).replace("/", ":").split(":")[-1]


def _plain_name(name: str) -> str:
    if not name[:1].isalnum() or not all(letter.isalnum() or letter in "._-" for letter in name):
        raise ValueError(f"is {name!r}, but must be letters, digits and . _ - only, as it names a folder")
    return name


def _plain_space(value: Any) -> str | dict[str, Any]:
    """Accept a name, a path, a mapping, a SearchSpace, or a mapping with Ray Tune or Optuna domains."""
    if isinstance(value, SearchSpace):
        return value.to_dict()
    if isinstance(value, Mapping):
        return plain_space(value)
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"is {shown(value)}, but must be a name, a path, or a mapping of keys to ranges")


def _plain_data(value: Any) -> Any:
    """Refuse what a YAML or JSON file cannot hold."""
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"has the key {odd[0]!r}, but keys must be text (quote it)")
        return {key: _plain_data(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(part) for part in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(
        f"holds {shown(value)}, but only text, numbers, true, false, null, lists and mappings can be stored"
    )


def _absolute_data(value: dict[str, Any]) -> dict[str, Any]:
    """Relative paths are meant from here; those of a study file have been written out before."""
    return dict(absolute_data(_plain_data(value), Path.cwd()))


def _plain_config(value: dict[str, Any]) -> dict[str, Any]:
    return nest(flatten(_plain_data(value)))


class StudySpec(Settings):
    """What a study file says: the search for the configuration of a trainable that is best in an objective.

    Made from a file by ``load_study_file``, or in Python with the same keys. ``docs/study-file.md`` tells each key.
    ``import_from`` is the folder in which the trainable's module is found; reading a file sets it to the file's own.

    Raises:
        StudyError: a key is unknown or missing, or a value is not valid.
        SpaceError: the search space is not valid.
    """

    trainable: str = Field(min_length=1)
    name: Annotated[str, AfterValidator(_plain_name)] = Field(default_factory=_default_name)
    search_space: Annotated[str | dict[str, Any], PlainValidator(_plain_space)]
    objective: PrimaryObjective = Objective()
    searcher: Searcher = Field(default="curve", validate_default=True)
    scheduler: Scheduler = Field(default="curve", validate_default=True)
    stopper: Stopper = Field(default="none", validate_default=True)
    max_epochs: int = Field(default=100, ge=1)
    budget: Budget = Budget(trials=20)
    resources: Resources = Resources()
    config: Annotated[dict[str, Any], AfterValidator(_plain_config)] = Field(default_factory=dict)
    data: Annotated[dict[str, Any], AfterValidator(_absolute_data)] = Field(default_factory=dict)
    default: bool = True
    warm_start: Annotated[list[str], PlainValidator(written_out)] = Field(default_factory=list)
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    tracking: Tracking = Tracking()
    seed: int = Field(default=1, ge=0)
    import_from: str | None = None

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise StudyError(mistakes_in(error, StudySpec)) from None
        if mistakes := [
            *self._config_against_space(),
            *self._scheduler_against_epochs(),
            *self._options_against_study(),
            *self._searcher_against_scheduler(),
            *self._algorithms_against_objectives(),
            *searched_mistakes(self.space, self.resources),
        ]:
            raise StudyError(mistakes)
        if mistakes := self._workers_against_rungs():
            raise StudyError(mistakes)

    @model_validator(mode="before")
    @classmethod
    def _fitting_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Who asks for BOHB's scheduler gets its searcher too; with several objectives there are other defaults."""
        if name_of(given.get("scheduler")) == "bohb":
            return {"searcher": "bohb", **given}
        objectives = given.get("objective")
        if isinstance(objectives, list | tuple) and len(objectives) > 1:
            return {"searcher": "tpe", "scheduler": "asha", **given}
        return given

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Make a study from a mapping of its keys.

        Raises:
            UserError: as the constructor; pydantic's own method would wrap it.
        """
        if not isinstance(obj, Mapping) or not all(isinstance(key, str) for key in obj):
            raise StudyError([Mistake((), f"is {shown(obj)}, but must be a mapping of text keys to values")])
        return cls(**obj)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudySpec) and self.resolved() == other.resolved()

    @cached_property
    def space(self) -> SearchSpace:
        """The search space, read from its file where the study names one."""
        if isinstance(self.search_space, str):
            return SearchSpace.load(self.search_space)
        return SearchSpace.parse(self.search_space)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All objectives; ``objective`` is the first, the primary one."""
        return all_of(self.objective)

    @property
    def elastic(self) -> bool:
        """Whether trials may have several numbers of workers, in turn or side by side."""
        return self.resources.elastic or WORKERS in self.space.dimensions

    @property
    def most_workers(self) -> int:
        """The most workers that a trial may start with."""
        return most_workers(self.space, self.resources)

    def resources_of(self, config: Mapping[str, Any]) -> Resources:
        """What a trial of a configuration gets: the study's resources, but for those that are searched for."""
        return resources_of(self.resources, config)

    def resolved(self) -> dict[str, Any]:
        """Every key with its value and the search space written out, as plain data that makes an equal study."""
        return {**self.model_dump(), "search_space": self.space.to_dict()}

    def to_yaml(self) -> str:
        """The resolved study as a study file."""
        return dump_yaml(self.resolved())

    def changed(self, **settings: Any) -> Self:
        """The same study with some keys changed, checked like a new one."""
        return type(self)(**{**self.model_dump(), **settings})

    def _config_against_space(self) -> list[Mistake]:
        fixed, space = flatten(self.config), self.space
        return [
            Mistake(("config", *key.split(".")), f"is fixed, but the search space has {name}: remove one")
            for key in fixed
            for name in space.dimensions
            if f"{key}.".startswith(f"{name}.") or f"{name}.".startswith(f"{key}.")
        ]

    def _scheduler_against_epochs(self) -> list[Mistake]:
        first = self.scheduler.options.get("min_epochs") or 0
        if first < self.max_epochs or self.scheduler.name in KNOWING_WHAT_FITS:
            return []
        location = ("scheduler", self.scheduler.name, "min_epochs")
        valid = f"below max_epochs, which is {self.max_epochs}"
        return [Mistake(location, f"is {first}, but must be {valid}; or use scheduler: none")]

    def _options_against_study(self) -> list[Mistake]:
        if self.scheduler.name not in KNOWING_WHAT_FITS:
            return []
        from raise_hpo.schedule import scheduler_of
        from raise_hpo.schedule.base import OptionError

        name = self.scheduler.name
        try:
            scheduler_of(self)
        except OptionError as error:
            return [Mistake(("scheduler", name, error.option), error.text)]
        return []

    def _workers_against_rungs(self) -> list[Mistake]:
        last = max(by_rung(self.resources.workers))
        if not last:
            return []
        from raise_hpo.schedule import scheduler_of

        name, rungs = self.scheduler.name, scheduler_of(self).rungs
        if not rungs:
            text = f"has rung {last}, but scheduler {name} has no rungs; valid: workers: 1 for instance, or a scheduler"
            return [Mistake(("resources", "workers"), f"{text} that has them, such as asha or curve")]
        if last <= len(rungs):
            return []
        epochs = ", ".join(map(str, rungs))
        valid = f"rung 0 to rung {len(rungs)}, as scheduler {name} has its rungs after the epochs {epochs}"
        return [Mistake(("resources", "workers"), f"has rung {last}; valid: {valid}")]

    def _searcher_against_scheduler(self) -> list[Mistake]:
        name = self.searcher.name
        if self.scheduler.name != "bohb" or name == "bohb":
            return []
        return [Mistake(("searcher",), f"is {name}, but scheduler bohb needs bohb; or use scheduler: hyperband")]

    def _algorithms_against_objectives(self) -> list[Mistake]:
        chosen = {"searcher": self.searcher.name, "scheduler": self.scheduler.name, "stopper": self.stopper.name}
        return unable(chosen) if len(self.objectives) > 1 else []
