"""The doctor's table on a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.cluster.doctor.check import Check
from raise_hpo.cluster.doctor.examine import Diagnosis

_MARKS = {"ok": ("✓ ok", "green"), "warning": ("! warning", "yellow"), "failed": ("✗ failed", "bold red")}


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print all checks, group by group, and a line that sums them up."""
    for group in diagnosis.groups:
        console.print(Text(group.title, style="bold"))
        console.print(_table(group.checks))
    console.print(_summary(diagnosis))


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(width=10, no_wrap=True)
    table.add_column(width=20)
    table.add_column(ratio=1, overflow="fold")
    for check in checks:
        words, style = _MARKS[check.state]
        table.add_row(Text(words, style=style), check.name, _told(check))
    return table


def _told(check: Check) -> RenderableType:
    finding = Text(check.finding)
    return Group(finding, Text(f"→ {check.remedy}", style="italic")) if check.remedy else finding


def _summary(diagnosis: Diagnosis) -> Text:
    counted = [f"{diagnosis.count(state)} {state}" for state in ("ok", "warning", "failed") if diagnosis.count(state)]
    if not diagnosis.passed:
        return Text(f"{diagnosis.site} is not ready: {', '.join(counted)}", style="bold red")
    looked = "" if diagnosis.job else "; compute nodes were not looked at"
    return Text(f"{diagnosis.site} is ready: {', '.join(counted)}{looked}", style="bold green")
