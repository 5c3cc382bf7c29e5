"""One readable line an event, for output that is not a terminal and for ``raise-hpo log``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console

from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.report.words import counted, number, short_config


def event_line(event: Event, metrics: Sequence[str] = ()) -> str:
    """An event in words, after its local time: ``12:03:04 trial 5 epoch 3 stop: rung of epoch 3: …``.

    Args:
        event: The event.
        metrics: The objectives' metrics; a report then tells only those.
    """
    stamp = time.strftime("%H:%M:%S", time.localtime(event["time"])) if "time" in event else "--:--:--"
    words = _WORDS[event["event"]](event, metrics) if event["event"] in _WORDS else str(event["event"])
    return f"{stamp} {' '.join(words.split())}"


def _study(event: Event, metrics: Sequence[str]) -> str:
    study = event["study"]
    return (
        f"study {event['name']}: {algorithm(study['searcher'])}, {algorithm(study['scheduler'])}, up to "
        f"{study['max_epochs']} epochs a trial, {event.get('slots', 1)} at a time"
    )


def algorithm(written: str | Mapping[str, Any]) -> str:
    """The name of a searcher or scheduler as a study file has it, with or without options."""
    return written if isinstance(written, str) else next(iter(written))


def _suggested(event: Event, metrics: Sequence[str]) -> str:
    source = _SOURCES.get(event["source"], f"suggested by {event['source']}")
    if (parent := event.get("parent")) is not None:
        source = f"is an heir of trial {parent['trial']} after epoch {parent['epoch']}, {parent['why']}"
    return f"trial {event['trial']} {source}: {short_config(event['config'])}"


_SOURCES = {"default": "is the default configuration", "warm_start": "has an earlier study's configuration"}


def _started(event: Event, metrics: Sequence[str]) -> str:
    after = f" after epoch {event['epoch']}" if event["epoch"] else ""
    again = f", attempt {event['attempt']}" if event["attempt"] > 1 else ""
    several = f" with {event['workers']} workers" if event["workers"] > 1 else ""
    return f"trial {event['trial']} started on {event['node']} slot {event['slot']}{several}{after}{again}"


def _reported(event: Event, metrics: Sequence[str]) -> str:
    told = event["metrics"]
    shown = {name: told[name] for name in metrics if name in told} or told
    values = " ".join(f"{name} {number(float(value))}" for name, value in shown.items())
    return f"trial {event['trial']} epoch {event['epoch']} {values}"


def _checkpointed(event: Event, metrics: Sequence[str]) -> str:
    return f"trial {event['trial']} checkpoint after epoch {event['epoch']}: {event['path']}"


def _decided(event: Event, metrics: Sequence[str]) -> str:
    return f"trial {event['trial']} epoch {event['epoch']} {event['decision']}: {event['why']}"


def _finished(event: Event, metrics: Sequence[str]) -> str:
    return f"trial {event['trial']} finished with {number(event['value'])}"


def _failed(event: Event, metrics: Sequence[str]) -> str:
    again = "; it is tried again" if event["retry"] else ""
    return f"trial {event['trial']} failed ({event['kind']}): {event['cause']}{again}"


def _guarded(event: Event, metrics: Sequence[str]) -> str:
    compared = f"rank correlation {event['rank']:.3f}, the last value's {event['last']:.3f}, {event['curves']} curves"
    return f"study predicts epoch {event['rung']} from epoch {event['epoch']} by {event['predictor']}: {compared}"


def _exhausted(event: Event, metrics: Sequence[str]) -> str:
    return f"study starts no new trials: {event['why']}"


def _stopped(event: Event, metrics: Sequence[str]) -> str:
    return f"study {event['state']}: {event['why']}"


def _resumed(event: Event, metrics: Sequence[str]) -> str:
    return f"study resumed, {event.get('slots', 1)} trials at a time"


def _capacity(event: Event, metrics: Sequence[str]) -> str:
    changes = [f"{word} {', '.join(event[word])}" for word in ("lost", "joined") if event[word]]
    nodes = f"{counted(len(event['nodes']), 'node')}, {counted(event['slots'], 'trial')} at a time"
    return f"study runs on {nodes}{''.join(f'; {change}' for change in changes)}"


def _excluded(event: Event, metrics: Sequence[str]) -> str:
    return f"study leaves node {event['node']} alone from now on: {event['why']}"


def _handed_back(event: Event, metrics: Sequence[str]) -> str:
    return f"trial {event['trial']} waits after epoch {event['epoch']}: {event['why']}"


_WORDS: dict[str, Callable[[Event, Sequence[str]], str]] = {
    "study": _study, "suggested": _suggested, "started": _started, "reported": _reported, "checkpointed": _checkpointed,
    "decided": _decided, "finished": _finished, "failed": _failed, "guarded": _guarded,
    "exhausted": _exhausted, "stopped": _stopped, "resumed": _resumed, "capacity": _capacity, "excluded": _excluded,
    "handed_back": _handed_back,
}  # fmt: skip


class PlainView:
    """Prints a line an event; a report and what was decided upon it share one, checkpoints are left out.

    Args:
        history: Gives the study's history.
        console: Where to print.
        name: The study's name.
    """

    def __init__(self, history: Callable[[], History], console: Console, name: str) -> None:
        self.history = history
        self.console = console
        self.name = name
        self._report: Event | None = None
        self._off = False

    def __enter__(self) -> PlainView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guarded(self._tell_report)

    def event(self, event: Event) -> None:
        """Print an event that was journaled; a reader who has gone away ends the printing, not the study."""
        self._guarded(lambda: self._tell(event))

    def refresh(self) -> None:
        """Nothing to do: lines are printed when something happens."""

    def _tell(self, event: Event) -> None:
        kind = event["event"]
        if kind == "checkpointed":
            return
        if self._report and kind in ("decided", "finished") and event["trial"] == self._report["trial"]:
            verdict = f"{event['decision']}: {event['why']}" if kind == "decided" else "finished"
            self._print(f"{event_line(self._report, self._objectives())} {verdict}")
            self._report = None
            return
        self._tell_report()
        if kind == "reported":
            self._report = event
        else:
            self._print(event_line(event))

    def _objectives(self) -> list[str]:
        return [metric for metric, _ in self.history().objectives]

    def _tell_report(self) -> None:
        report, self._report = self._report, None
        if report:
            self._print(event_line(report, self._objectives()))

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def _guarded(self, act: Callable[[], None]) -> None:
        if self._off:
            return
        try:
            act()
        except (Exception, SystemExit):  # rich answers a broken pipe with SystemExit
            self._off = True
