"""``raise-hpo resume``: go on with a study that was stopped, interrupted or killed."""

from __future__ import annotations

from typing import Annotated

import typer


def resume(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at a time; as many as fit if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON document, print nothing else.")] = False,
) -> None:
    """Go on with a study from its journal: running trials from their last checkpoints, nothing decided twice."""
    from raise_hpo.cli.run import choose_view, run_session
    from raise_hpo.folder import find_study
    from raise_hpo.session import Session

    run_session(Session.take_up(find_study(study), slots=slots, view=choose_view(json)), json)
