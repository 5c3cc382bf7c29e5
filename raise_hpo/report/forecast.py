"""Forecasts of a study as tables on the terminal, and as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.errors import UserError
from raise_hpo.report.words import counted, duration, number, percent

_SHARES = ("1/8", "1/4", "1/2", "end")


def forecast_words(document: dict[str, Any]) -> RenderableType:
    """What ``simulate`` says: a row for each scheduler and number of slots, and what is to be known of it.

    Args:
        document: A comparison's `document`.
    """
    seeds = len({run["seed"] for run in document["runs"]})
    over = f" simulated over {counted(document['trainings'], 'training')} of {document['curves']}"
    title = Text.assemble((document["study"], "bold"), over, f", medians of {seeds} simulations" if seeds > 1 else "")
    what = Text(f"Best {document['metric']} by 1/8, 1/4, 1/2 of the wall time and at its end, and what it costs")
    parts: list[RenderableType] = [title, what, _forecasts(document)]
    if document["scaling"]:
        parts += [Text("\nTrials that take turns, when they load again on another slot (cold) and when not (warm)")]
        parts += [_scaling(document["scaling"])]
    notes = [_costs(document["costs"], _is_elastic(document)), *document["notes"]]
    return Group(*parts, *[Text(note) for note in notes])


def _is_elastic(document: dict[str, Any]) -> bool:
    """Whether trials have several numbers of workers in any of the studies, or from study to study."""
    told = {row["workers"] for row in document["medians"]}
    return len(told) > 1 or any(":" in workers for workers in told)


def _forecasts(document: dict[str, Any]) -> Table:
    # On a narrow terminal, of 100 columns or so, the names fold and no figure is cut.
    table = _plain_table()
    table.add_column("algorithm", min_width=9, overflow="fold")
    several = len({row["workers"] for row in document["medians"]}) > 1
    if several:
        table.add_column("workers", overflow="fold")
    powered = any(row["kwh"] for row in document["medians"])
    _add_figures(table, "slots", *[f"best\nat {share}" for share in _SHARES], "wall time", "node-\nhours")
    _add_figures(table, *(["energy\n(kWh)"] if powered else []), "idle", "trials", "epochs")
    before = None
    for row in document["medians"]:
        algorithm = f"{row['searcher']} + {row['scheduler']}"
        names = [algorithm, row["workers"]] if several else [algorithm]
        table.add_row(
            *[name if names != before else "" for name in names], str(row["slots"]),
            *[number(value, 5) for value in row["best"]],
            duration(row["seconds"]), number(row["node_hours"], 3), *([number(row["kwh"], 3)] if powered else []),
            percent(row["idle"]), number(float(row["trials"])), number(float(row["epochs"]), 6),
        )  # fmt: skip
        before = names
    return table


def _plain_table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)


def _add_figures(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)


def _scaling(rows: list[dict[str, Any]]) -> Table:
    table = _plain_table()
    _add_figures(table, "slots", "cold", "speed-up", "by the formula", "warm", "speed-up", "ideal")
    for row in rows:
        speed_ups = [f"{row[name]:.2f}" for name in ("cold", "predicted", "warm", "ideal")]
        table.add_row(
            str(row["slots"]), duration(row["cold_seconds"]), *speed_ups[:2], duration(row["warm_seconds"]),
            *speed_ups[2:],
        )  # fmt: skip
    return table


def _costs(costs: dict[str, Any], elastic: bool) -> str:
    named = {
        "start_seconds": "start", "build_seconds": "building a model",
        "group_seconds": "starting other workers", "reload_seconds": "loading on another slot",
        "checkpoint_seconds": "a checkpoint", "report_seconds": "a report", "recovery_seconds": "replacing a node",
    }  # fmt: skip
    words = [f"{words} {duration(costs[name])}" for name, words in named.items() if costs[name]]
    if costs["failures_per_node_hour"]:
        words.append(f"{number(costs['failures_per_node_hour'])} losses a node and hour")
    words.append(f"{counted(costs['slots_per_node'], 'slot')} a node")
    if elastic:
        words.append(f"twice the workers {number(2 * costs['parallel_efficiency'])} times as fast")
    if costs["busy_watts"] or costs["idle_watts"]:
        words.append(f"{number(costs['busy_watts'])} W a busy node and {number(costs['idle_watts'])} W an idle one")
    else:
        words.append("no power given (--cost busy_watts=…, --cost idle_watts=…)")
    return f"Costs: {', '.join(words)}."


def save_forecast(document: dict[str, Any], path: Path) -> None:
    """Write every simulation, a row each (``.csv``), or all there is (``.json``).

    Raises:
        UserError: The file is neither, or cannot be written.
    """
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"--out {path}: must end in .csv or .json")
    try:
        with path.open("w", newline="") as file:
            if path.suffix == ".json":
                json.dump(document, file, indent=1)
            else:
                rows = list(_flat(document["runs"]))
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror})") from None


def _flat(runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for run in runs:
        best = dict(zip((f"best_{share.replace('/', '_')}" for share in _SHARES), run["best"], strict=True))
        yield {**{name: value for name, value in run.items() if name != "best"}, **best}
