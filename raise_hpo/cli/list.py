"""``raise-hpo list``: the studies and trainings in this folder."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated, Any

import typer


def list_studies(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the studies here, the most recent last, and then the trainings."""
    from raise_hpo.errors import UserError
    from raise_hpo.folder import all_studies, studies_root
    from raise_hpo.report.summary import summary
    from raise_hpo.train.folder import TrainingFolder, all_trainings
    from raise_hpo.train.words import training_summary

    found = []
    for folder in (*all_studies(), *all_trainings()):
        try:
            found.append(training_summary(folder) if isinstance(folder, TrainingFolder) else summary(folder))
        except UserError as error:
            print(f"raise-hpo: {error}", file=sys.stderr)
    if json:
        print(dumps(found))
    elif found:
        _show(found)
    else:
        print(f"no study in {studies_root()}/ yet; start one with 'raise-hpo tune mlpf'")


def _show(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("study", "state", "trials", "epochs", "best", "default")
    for each in found:
        table.add_row(
            each.get("study") or each["training"],
            each["state"],
            _trials(each.get("trials")),
            str(each["epochs"]),
            _value(each["best"]),
            _value(each.get("default")),
        )
    Console().print(table)


def _trials(counts: dict[str, int] | None) -> str:
    """How many trials have ended; a training has none."""
    if counts is None:
        return "-"
    return f"{counts['finished'] + counts['stopped'] + counts['failed']} of {counts['total']}"


def _value(record: dict[str, Any] | None) -> str:
    value = (record or {}).get("value")
    return "-" if value is None else f"{value:.6g}"
