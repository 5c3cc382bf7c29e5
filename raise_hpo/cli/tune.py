"""``raise-hpo tune``: run a study here."""

from __future__ import annotations

from typing import Annotated

import typer


def tune(
    study: Annotated[str, typer.Argument(help="A study file, or the name of a trainable, such as mlpf.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key of the study file or a dimension of the search space."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The study's name; numbered after the trainable if not given.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at a time; as many as fit if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON document, print nothing else.")] = False,
) -> None:
    """Run a study on this machine: live table, MLflow, report.html, best configuration."""
    from raise_hpo.cli.run import choose_view, run_session
    from raise_hpo.session import Session
    from raise_hpo.study import load_study_file

    spec = load_study_file(study, set_ or [])
    run_session(Session.start(spec, name=name, slots=slots, view=choose_view(json)), json)
