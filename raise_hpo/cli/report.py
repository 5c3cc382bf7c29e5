"""``raise-hpo report``: write the HTML report of a study or a training."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    study: Annotated[
        str | None, typer.Argument(help="A study's or a training's name or folder; the most recent study if not given.")
    ] = None,
) -> None:
    """Write report.html of a study or training, running or not: one file, for a browser without any network."""
    from raise_hpo.report.html import write_report
    from raise_hpo.train.folder import find_study_or_training

    print(write_report(find_study_or_training(study)).resolve())
