"""``raise-hpo list``: the studies in this folder."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated, Any

import typer


def list_studies(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the studies here, the most recent last."""
    from raise_hpo.errors import UserError
    from raise_hpo.folder import all_studies, studies_root
    from raise_hpo.report.summary import summary

    studies = []
    for folder in all_studies():
        try:
            studies.append(summary(folder))
        except UserError as error:
            print(f"raise-hpo: {error}", file=sys.stderr)
    if json:
        print(dumps(studies))
    elif studies:
        _show(studies)
    else:
        print(f"no study in {studies_root()}/ yet; start one with 'raise-hpo tune mlpf'")


def _show(studies: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("study", "state", "trials", "epochs", "best", "default")
    for study in studies:
        trials, best, default = study["trials"], study["best"], study["default"]
        ended = trials["finished"] + trials["stopped"] + trials["failed"]
        table.add_row(
            study["study"],
            study["state"],
            f"{ended} of {trials['total']}",
            str(study["epochs"]),
            _value(best),
            _value(default),
        )
    Console().print(table)


def _value(record: dict[str, Any] | None) -> str:
    value = (record or {}).get("value")
    return "-" if value is None else f"{value:.6g}"
