"""What each slot did when: trials as bars, idle time as gaps."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from raise_hpo.history import History, Stay, Trial
from raise_hpo.report.facts import WorkClock, stays_by_slot
from raise_hpo.report.figures import GROUPS, Figure, axis, colour, figure, group_of, time_unit, upright
from raise_hpo.report.words import counted, duration

_CHROME = 130
_TALLEST, _ALL_ROWS = 40, 800


def timeline(history: History) -> Figure | None:
    """Bars of the trials' stays against the time at work, a row a slot; None before the first start."""
    slots = stays_by_slot(history)
    if not slots:
        return None
    name, unit = time_unit(history.seconds)
    bars = _Bars(WorkClock(history), unit)
    grown = len({stay.workers for stays in slots.values() for _, stay in stays}) > 1
    for (node, slot), stays in slots.items():
        size = f" · {counted(stays[0][1].workers, 'worker')}" if grown else ""
        bars.names.append(f"{node} · slot {slot}{size}")
        for trial, stay in stays:
            bars.add(bars.names[-1], trial, stay, group_of(trial, history))
    marks = [upright(at / unit, "resumed") for at in bars.clock.resumes()]
    return figure(
        bars.traces(),
        height=_CHROME + round(min(_TALLEST, max(14, _ALL_ROWS / len(slots))) * len(slots)),
        barmode="overlay",
        bargap=0.25,
        xaxis=axis(f"time at work ({name})", range=[0, max(history.seconds, 1e-3) / unit]),
        yaxis={"automargin": True, "type": "category", "categoryarray": bars.names, "range": [len(slots) - 0.5, -0.5]},
        shapes=[shape for shape, _ in marks],
        annotations=[note for _, note in marks],
    )


class _Bars:
    """Collects bars by group; the time before a stay's first batch is drawn paler."""

    def __init__(self, clock: WorkClock, unit: float) -> None:
        self.clock = clock
        self.unit = unit
        self.names: list[str] = []
        self._rows: dict[str, list[tuple[str, float, float, str, str]]] = defaultdict(list)

    def add(self, row: str, trial: Trial, stay: Stay, group: str) -> None:
        """Add a stay."""
        begin, end = self.clock(stay.began), self.clock(stay.ended)
        first = min(max(self.clock(stay.first_batch), begin), end) if stay.first_batch is not None else begin
        told = f"<b>trial {trial.number}</b> ({group}), from epoch {stay.epoch + 1}, {duration(end - begin)}"
        if stay.first_batch is not None:
            told += f"<br>{duration(first - begin)} until the first batch"
        if first > begin:
            self._rows["building, loading"].append((row, begin, first, "", told))
        self._rows[group].append((row, first, end, str(trial.number), told))

    def traces(self) -> list[dict[str, Any]]:
        """One trace a group."""
        return [self._trace(group) for group in (*GROUPS, "building, loading") if group in self._rows]

    def _trace(self, group: str) -> dict[str, Any]:
        rows, begins, ends, texts, told = (list(column) for column in zip(*self._rows[group], strict=True))
        return {
            "type": "bar", "orientation": "h", "name": group, "y": rows,
            "base": [begin / self.unit for begin in begins],
            "x": [(end - begin) / self.unit for begin, end in zip(begins, ends, strict=True)],
            "text": texts, "textposition": "inside", "insidetextanchor": "middle", "textangle": 0,
            "constraintext": "none",
            "hovertext": told, "hovertemplate": "%{hovertext}<extra></extra>",
            "marker": {"color": colour(group) if group in GROUPS else "var(--rule-strong)",
                       "line": {"color": "var(--page)", "width": 1}},
        }  # fmt: skip
