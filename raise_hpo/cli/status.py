"""``raise-hpo status``: how a study stands."""

from __future__ import annotations

from json import dumps
from typing import Annotated

import typer


def status(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how a study stands, running or not: trials by state, best and default value, where its files are."""
    from raise_hpo.folder import find_study
    from raise_hpo.report.summary import summary

    standing = summary(find_study(study))
    if json:
        print(dumps(standing))
        return
    from rich.console import Console

    from raise_hpo.report.summary import closing_words

    Console().print(closing_words(standing))
