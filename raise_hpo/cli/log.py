"""``raise-hpo log``: what happened in a study, event by event."""

from __future__ import annotations

import time
from json import dumps
from typing import Annotated

import typer


def log(
    study: Annotated[
        str | None, typer.Argument(help="A study's or a training's name or folder; the most recent study if not given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document an event.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for further events until the driver ends.")
    ] = False,
) -> None:
    """Stream a study's journal: every suggestion, report and decision with its reason."""
    from raise_hpo.journal import iterate
    from raise_hpo.report.live import event_line
    from raise_hpo.train.folder import find_study_or_training

    folder = find_study_or_training(study)
    start = 0
    while True:
        at_work = folder.driver() is not None
        for event in iterate(folder.journal, start):
            start = event["seq"] + 1
            print(dumps(event) if json else event_line(event), flush=follow)
        if not (follow and at_work):
            return
        time.sleep(1.0)
