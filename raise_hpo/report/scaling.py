"""Measured scaling: tables for the terminal, ``scaling.json`` and ``scaling.csv``, and the page ``scaling.html``."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.errors import UserError
from raise_hpo.report.figures import Figure, axis, figure, time_unit
from raise_hpo.report.page import fill_in
from raise_hpo.report.words import counted, duration, number, percent

TEMPLATE = "scaling.html"
ABOUT = {
    "weak": "each worker has the batch of one and an equal share of the data, so that more workers train on more",
    "strong": "the same data in the same joint batches, divided among the workers",
}
"""What each mode of data-parallel scaling keeps."""

_COLUMNS = (
    "kind", "count", "how", "nodes", "batch", "seconds", "spread", "samples_per_second", "epochs_per_hour", "busy",
    "speed_up", "ideal", "efficiency",
)  # fmt: skip
_HEIGHT = 320
_LOG_FROM_RATIO = 8
_COLOURS = {
    "weak": "var(--finished)", "strong": "var(--best)", "run": "var(--finished)", "simulated": "var(--paused)",
}  # fmt: skip

Row = dict[str, Any]
Document = dict[str, Any]


# The terminal


def scaling_words(document: Document) -> RenderableType:
    """What ``scaling`` says: a table a mode of data-parallel training, one of the study over slots, and notes."""
    parts: list[RenderableType] = []
    for mode, rows in _series(document["workers"], "mode"):
        words = f" trained on {_worker_words(document)}, {mode} scaling: {ABOUT[mode]}"
        parts += [Text.assemble((document["trainable"], "bold"), words), _table(worker_cells(rows)), Text()]
    if document["slots"]:
        title = Text.assemble((document["study"], "bold"), " as a whole, with so many trials at a time")
        parts += [title, _table(slot_cells(document["slots"])), Text()]
    return Group(*parts, *map(Text, _failures(document)), *map(Text, document["notes"]))


def _table(cells: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for heading in cells[0]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in cells[1:]:
        table.add_row(*row)
    return table


def worker_cells(rows: list[Row]) -> list[list[str]]:
    """A table of data-parallel rows: its headings, then its rows, as text."""
    several = any(row["nodes"] > 1 for row in rows)
    headings = ["workers", *(["nodes"] if several else []), "batch", "s an epoch", "±", "samples/s"]
    return [
        [*headings, "speed-up", "ideal", "efficiency"],
        *[
            [
                str(row["workers"]), *([str(row["nodes"])] if several else []), number(row["batch"]),
                number(row["seconds"], 3), number(row["spread"], 2), number(row["samples_per_second"], 3),
                f"{row['speed_up']:.2f}", number(float(row["ideal"])), percent(row["efficiency"]),
            ]
            for row in rows
        ],
    ]  # fmt: skip


def slot_cells(rows: list[Row]) -> list[list[str]]:
    """A table of studies with several numbers of slots: its headings, then its rows, as text."""
    return [
        ["slots", "how", "wall time", "epochs", "epochs/h", "busy", "best", "speed-up", "effic."],
        *[
            [
                str(row["slots"]), row["how"], duration(row["seconds"]), number(float(row["epochs"]), 6),
                f"{row['epochs_per_hour']:.0f}", percent(row["busy"]), number(row["best"]),
                f"{row['speed_up']:.2f}", percent(row["efficiency"]),
            ]
            for row in rows
        ],
    ]  # fmt: skip


def _worker_words(document: Document) -> str:
    worker = document["worker"]
    gpus = f" and {number(worker['gpus'])} GPU(s)" if worker["gpus"] else ""
    return f"workers of {number(worker['cpus'])} CPU(s){gpus}"


def _failures(document: Document) -> list[str]:
    return [
        f"{counted(failed['workers'], 'worker')}, {failed['mode']}: {failed['kind']}: {failed['cause']}."
        for failed in document["failures"]
    ]


def _series(rows: list[Row], key: str) -> list[tuple[str, list[Row]]]:
    """The rows of each mode, or of each way they came about, in their order."""
    return [(name, [row for row in rows if row[key] == name]) for name in dict.fromkeys(row[key] for row in rows)]


# Files


def save_scaling(document: Document, folder: Path) -> Path:
    """Write ``scaling.json``, ``scaling.csv`` and ``scaling.html`` into a folder; the page's path.

    Raises:
        UserError: They cannot be written.
    """
    page = folder / TEMPLATE
    try:
        (folder / "scaling.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        with (folder / "scaling.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(_flat(document))
        page.write_text(render(document), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be written ({error.strerror})") from None
    return page


def _flat(document: Document) -> Iterable[Row]:
    for row in document["workers"]:
        yield {**row, "kind": row["mode"], "count": row["workers"], "how": "run"}
    for row in document["slots"]:
        yield {**row, "kind": "slots", "count": row["slots"]}


# The page


def render(document: Document) -> str:
    """The page as HTML, with plotly.js inside."""
    title, standing = headline(document)
    modes = [(mode, ABOUT[mode], worker_cells(rows)) for mode, rows in _series(document["workers"], "mode")]
    return fill_in(
        TEMPLATE, name=document["study"], trainable=document["trainable"], headline=title, standing=standing,
        setting=_setting(document), epochs=document["epochs"], modes=modes,
        slots=slot_cells(document["slots"]) if document["slots"] else [], failures=_failures(document),
        notes=document["notes"], figures=charts(document), written=time.strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip


def headline(document: Document) -> tuple[str, str]:
    """The most telling figure, of the most workers or else of the most slots, and the sentence it rests on."""
    workers = dict(_series(document["workers"], "mode"))
    if rows := _several(workers.get("strong")):
        words = "An epoch of the same training takes {last} instead of {first}"
    elif rows := _several(workers.get("weak")):
        words = "An epoch takes {last} instead of {first}, and trains on {ideal} times the data"
    elif rows := next((rows for _, rows in _series(document["slots"], "how") if _several(rows)), []):
        words = "The study takes {last} instead of {first}"
    else:
        return "Scaling", "There is nothing to compare with: more than one count is needed."
    first, last = rows[0], rows[-1]
    of = "worker" if "workers" in last else "slot"
    told = words.format(
        first=duration(first["seconds"]), last=duration(last["seconds"]), ideal=number(float(last["ideal"]))
    )
    than = "" if first[f"{of}s"] == 1 else f" as on {first[f'{of}s']}"
    title = f"{last['speed_up']:.2f} times as fast on {counted(last[f'{of}s'], of)}{than}"
    return title, f"{told}: efficiency {percent(last['efficiency'])}."


def _several(rows: list[Row] | None) -> list[Row]:
    """The rows, if there are more than one."""
    return rows if rows and len(rows) > 1 else []


def _setting(document: Document) -> str:
    machine = document["machine"]
    if not machine:
        return "simulated"
    where = f"{counted(machine['nodes'], 'node')}, {machine['host']}"
    has = f"{number(machine['cpus'])} CPUs and {number(machine['gpus'])} GPUs in all"
    load = f"load before {machine['load']:.1f}"
    return f"{_worker_words(document)} at {document['worker']['precision']} · {where} · {has} · {load}"


def charts(document: Document) -> dict[str, Figure]:
    """The charts of what was measured, by the id of their place."""
    found: dict[str, Figure] = {}
    if workers := _series(document["workers"], "mode"):
        found |= {
            "workers-speed-up": _speed_up(workers, "workers"),
            "workers-efficiency": _efficiency(workers, "workers"),
            "workers-seconds": _seconds(workers, "workers", "epoch"),
            "workers-samples": _plain(workers, "workers", "samples_per_second", "samples a second"),
        }
    if slots := _series(document["slots"], "how"):
        found |= {
            "slots-speed-up": _speed_up(slots, "slots"),
            "slots-efficiency": _efficiency(slots, "slots"),
            "slots-seconds": _seconds(slots, "slots", "study"),
            "slots-epochs": _plain(slots, "slots", "epochs_per_hour", "epochs an hour"),
        }
    return found


Series = list[tuple[str, list[Row]]]


def _speed_up(series: Series, count: str) -> Figure:
    first = min(row[count] for _, rows in series for row in rows)
    data = [_ideal(series, count, "ideal"), *_lines(series, count, "speed_up")]
    wide = _counts_axis(series, count).get("type") == "log"
    ticks = sorted({row["ideal"] for _, rows in series for row in rows})
    how = {"type": "log", "tickvals": ticks} if wide else {"rangemode": "tozero"}
    yaxis = axis(f"speed-up over {counted(first, count[:-1])}", **how)
    return figure(data, _HEIGHT, xaxis=_counts_axis(series, count), yaxis=yaxis)


def _efficiency(series: Series, count: str) -> Figure:
    data = [_ideal(series, count, None), *_lines(series, count, "efficiency")]
    yaxis = axis("efficiency", tickformat=".0%", rangemode="tozero")
    return figure(data, _HEIGHT, xaxis=_counts_axis(series, count), yaxis=yaxis)


def _seconds(series: Series, count: str, of: str) -> Figure:
    name, unit = time_unit(max(row["seconds"] for _, rows in series for row in rows))
    data = _lines(series, count, "seconds", 1 / unit)
    for line, (_, rows) in zip(data, series, strict=True):
        if any(row.get("spread") is not None for row in rows):
            spread = [(row.get("spread") or 0.0) / unit for row in rows]
            line["error_y"] = {"type": "data", "array": spread, "thickness": 1}
    yaxis = axis(f"{name} of {'an epoch' if of == 'epoch' else 'the study'}", rangemode="tozero")
    return figure(data, _HEIGHT, xaxis=_counts_axis(series, count), yaxis=yaxis)


def _plain(series: Series, count: str, key: str, title: str) -> Figure:
    yaxis = axis(title, rangemode="tozero")
    return figure(_lines(series, count, key), _HEIGHT, xaxis=_counts_axis(series, count), yaxis=yaxis)


def _lines(series: Series, count: str, key: str, scale: float = 1.0) -> list[dict[str, Any]]:
    """A line with marks for each mode, or each way the rows came about."""
    return [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": [row[count] for row in rows],
            "y": [None if row[key] is None else row[key] * scale for row in rows], "showlegend": True,
            "line": {"color": _COLOURS[name], "width": 2}, "marker": {"size": 8, "color": _COLOURS[name]},
            "hovertemplate": f"%{{x}} {count}: %{{y:.3~g}}<extra>{name}</extra>",
        }
        for name, rows in series
    ]  # fmt: skip


def _ideal(series: Series, count: str, key: str | None) -> dict[str, Any]:
    """The line of ideal scaling: each row's `key`, or 1."""
    points = sorted({(row[count], row[key] if key else 1.0) for _, rows in series for row in rows})
    return {
        "type": "scatter", "mode": "lines", "name": "ideal", "x": [x for x, _ in points], "y": [y for _, y in points],
        "showlegend": True, "line": {"color": "var(--muted)", "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
    }  # fmt: skip


def _counts_axis(series: Series, count: str) -> dict[str, Any]:
    """An axis with a tick at each count: logarithmic where they are far apart."""
    counts = sorted({row[count] for _, rows in series for row in rows})
    wide = counts[-1] >= _LOG_FROM_RATIO * counts[0]
    return axis(count, tickvals=counts, ticktext=list(map(str, counts)), **({"type": "log"} if wide else {}))
