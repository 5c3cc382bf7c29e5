"""``raise-hpo report``: write a study's HTML report."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
) -> None:
    """Write report.html of a study, running or not: one file, to be opened in a browser without any network."""
    from raise_hpo.folder import find_study
    from raise_hpo.report.html import write_report

    print(write_report(find_study(study)).resolve())
