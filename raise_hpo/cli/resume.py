"""``raise-hpo resume``: go on with a study or a training that was stopped, interrupted or killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from raise_hpo.train.folder import TrainingFolder


def resume(
    study: Annotated[
        str | None, typer.Argument(help="A study's or a training's name or folder; the most recent study if not given.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at a time; as many as fit if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON document, print nothing else.")] = False,
) -> None:
    """Go on with a study from its journal: running trials from their last checkpoints, nothing decided twice."""
    from raise_hpo.cli.run import choose_view, run_session
    from raise_hpo.errors import UserError
    from raise_hpo.session import Session
    from raise_hpo.train.folder import TrainingFolder, find_study_or_training

    folder = find_study_or_training(study)
    if not isinstance(folder, TrainingFolder):
        run_session(Session.take_up(folder, slots=slots, view=choose_view(json)), json)
    elif slots is not None:
        raise UserError("--slots: a training has workers and no slots; 'raise-hpo train' takes other --workers")
    else:
        _resume_training(folder, json)


def _resume_training(folder: TrainingFolder, as_json: bool) -> None:
    from rich.console import Console

    from raise_hpo.cli.train import run_training
    from raise_hpo.train.plan import kept_plan
    from raise_hpo.train.training import Training
    from raise_hpo.train.words import EpochLines

    lines = EpochLines(Console(soft_wrap=True), kept_plan(folder).epochs)
    run_training(Training.take_up(folder) if as_json else Training.take_up(folder, lines), as_json)
