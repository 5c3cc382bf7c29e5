"""``raise-hpo repeat``: train a study's best configurations again, from several seeds, to see what luck was in it."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from raise_hpo.folder import StudyFolder


def repeat(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of its best configurations.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 10,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each; as in the study if not given.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at a time; as many as fit if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON document, print nothing else.")] = False,
) -> None:
    """Repeat the best configurations and the default one: mean and spread, and whether the winner is one.

    Of a study that repeats already, show what it tells so far; 'raise-hpo resume' goes on with it.
    """
    from raise_hpo.cli.run import DONE, INTERRUPTED
    from raise_hpo.folder import find_study
    from raise_hpo.repeat import repeats

    folder = find_study(study)
    if not repeats(folder.history()):
        folder = _run(folder, top, seeds, epochs, slots, json)
    _tell(folder, json)
    raise typer.Exit(DONE if folder.history().state == "finished" else INTERRUPTED)


def _run(
    folder: StudyFolder, top: int, seeds: int, epochs: int | None, slots: int | None, as_json: bool
) -> StudyFolder:
    """Run the study that repeats another one's best configurations; its folder."""
    from raise_hpo.cli.run import INTERRUPTED, choose_view
    from raise_hpo.defaults import default_config
    from raise_hpo.repeat import repeat_study
    from raise_hpo.session import Session, checked_trainable
    from raise_hpo.study import StudySpec

    history = folder.history()
    given = StudySpec.model_validate(history.study)
    default = default_config(given, checked_trainable(given, None))
    spec = repeat_study(history, default, top, seeds, epochs)
    session = Session.start(spec, slots=slots, view=choose_view(as_json))
    try:
        session.run()
    except KeyboardInterrupt:
        name = session.folder.name
        typer.echo(
            f"interrupted; go on by 'raise-hpo resume {name}', then see it by 'raise-hpo repeat {name}'", err=True
        )
        raise typer.Exit(INTERRUPTED) from None
    return session.folder


def _tell(folder: StudyFolder, as_json: bool) -> None:
    from rich.console import Console

    from raise_hpo.repeat import repetitions
    from raise_hpo.report.repeat import document, repeat_words, save_repeat

    history = folder.history()
    page = save_repeat(folder, history)
    if as_json:
        print(dumps(document(history, repetitions(history))))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(repeat_words(history))
    console.print(f"See {page}")
