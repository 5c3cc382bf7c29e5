"""The Python interface: run a study, or look at one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raise_hpo.folder import StudyFolder, find_study
from raise_hpo.history import Trial
from raise_hpo.study import StudySpec, load_study_file

if TYPE_CHECKING:
    import pandas


class Study:
    """A study on disk, running or not; everything is read from its journal when asked."""

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.name

    def status(self) -> dict[str, Any]:
        """State, counts, best and default values, places of files: what ``raise-hpo status --json`` prints."""
        from raise_hpo.report.summary import summary

        return summary(self.folder)

    def trials(self) -> list[Trial]:
        """All trials so far, with configurations, values at each epoch and decisions."""
        return self.folder.history().trials

    def best(self) -> Trial | None:
        """The best trial so far, of those that went furthest."""
        return self.folder.history().best()

    def front(self) -> list[Trial]:
        """The Pareto front so far, the best in the primary objective first; with one objective, the best trial."""
        return self.folder.history().front()

    def front_table(self) -> pandas.DataFrame:
        """The Pareto front as a table: a row a trial, with its objectives' values and its configuration."""
        import pandas

        history = self.folder.history()
        rows = [{"trial": trial.number, **history.objective_values(trial), **trial.config} for trial in history.front()]
        return pandas.DataFrame(rows).set_index("trial") if rows else pandas.DataFrame()

    def __repr__(self) -> str:
        return f"Study({str(self.folder.path)!r})"


def tune(
    study: str | Path | Mapping[str, Any] | StudySpec,
    *,
    trainable: type | None = None,
    name: str | None = None,
    slots: int | None = None,
) -> Study:
    """Run a study here, on all of this machine, and return it when it is over.

    Args:
        study: A study file, the name of a trainable that brings one, a study file's content, or a `StudySpec`.
        trainable: The trainable's class, if it is not to be imported by the name in the study file, as in a notebook.
            With it, a study's content needs neither ``trainable`` nor, if the class has one, ``search_space``.
        name: The study's name; the trainable's name and a number if not given.
        slots: Trials at a time; as many as fit if not given.

    Raises:
        UserError: Something in the study file or the data is wrong; one sentence says what.
    """
    from raise_hpo.session import Session

    session = Session.start(read_spec(study, trainable), name=name, trainable=trainable, slots=slots)
    session.run()
    return Study(session.folder)


def load_study(reference: str | None = None) -> Study:
    """A study by its name or folder; the most recent one if not given.

    Raises:
        UserError: There is no such study.
    """
    return Study(find_study(reference))


def read_spec(study: str | Path | Mapping[str, Any] | StudySpec, trainable: type | None) -> StudySpec:
    """The study that a file, a name, a mapping or a `StudySpec` gives; a class tells its name and search space.

    Raises:
        UserError: It is not valid.
    """
    if isinstance(study, StudySpec):
        return study
    if isinstance(study, Mapping):
        return StudySpec.model_validate({**_of_class(trainable), **study})
    return load_study_file(str(study))


def _of_class(trainable: type | None) -> dict[str, Any]:
    """What a class says of its study."""
    if trainable is None:
        return {}
    space = getattr(trainable, "search_space", None)
    name = f"{trainable.__module__}:{trainable.__qualname__}"
    return {"trainable": name, **({"search_space": dict(space)} if space else {})}
