"""``raise-hpo status``: how a study or a training stands."""

from __future__ import annotations

import sys
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from raise_hpo.folder import StudyFolder


def status(
    study: Annotated[
        str | None,
        typer.Argument(
            help="The name or folder of a study or a training, or a job's number; the most recent study if not given."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how a study stands: trials by state, best and default value, where its files are; in a queue, its jobs."""
    from raise_hpo.cli.study_or_job import find_study_or_job
    from raise_hpo.report.summary import closing_words, summary
    from raise_hpo.train.folder import TrainingFolder
    from raise_hpo.train.words import closing_words as words_of_training
    from raise_hpo.train.words import training_summary

    folder = find_study_or_job(study)
    told = training_summary(folder) if isinstance(folder, TrainingFolder) else summary(folder)
    if folder.jobs.is_dir():
        told["cluster"] = _in_the_queue(folder)
        if told["state"] == "interrupted" and _runs(told["cluster"]):
            told["why"] = "it has no driver now; the job starts one again"
    if json:
        print(dumps(told))
        return
    from rich.console import Console

    Console().print(words_of_training(told) if isinstance(folder, TrainingFolder) else closing_words(told))


def _runs(queue: dict[str, Any] | None) -> bool:
    return any(job["state"] == "RUNNING" for job in (queue or {"jobs": []})["jobs"])


def _in_the_queue(folder: StudyFolder) -> dict[str, Any] | None:
    """What Slurm says; None if it does not answer, as at home, or if nothing was submitted after all."""
    from raise_hpo.cluster.job import submissions
    from raise_hpo.cluster.queue import in_queue
    from raise_hpo.errors import UserError

    if not submissions(folder):
        return None
    try:
        return in_queue(folder, folder.history())
    except UserError as error:
        print(f"raise-hpo: {error}", file=sys.stderr)
        return None
