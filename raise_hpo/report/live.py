"""The live table of a running study on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raise_hpo.history import ENDED, History, Trial
from raise_hpo.journal import Event
from raise_hpo.report.estimate import time_left
from raise_hpo.report.facts import ORDER, compare, ranking
from raise_hpo.report.plain import PlainView, algorithm, event_line
from raise_hpo.report.words import counted, duration, gain_words, number, percent, short_config

__all__ = ["LiveView", "PlainView", "event_line"]

_STYLES = {
    "running": "cyan",
    "finished": "blue",
    "paused": "magenta",
    "stopped": "dim",
    "failed": "red",
    "waiting": "dim",
}
_SHORTEST = 0.25
_SHARE = 0.05
_LINES_AROUND = 9


class LiveView:
    """A table that is redrawn in place: the study's standing above, its trials below, running and best ones first.

    It is drawn in the driver's own thread, where the history is at rest, and at most so often that drawing takes a
    twentieth of the time. What goes wrong while drawing ends the table, never the study.

    Args:
        history: Gives the study's history.
        console: The terminal.
        name: The study's name.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, history: Callable[[], History], console: Console, name: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.history = history
        self.console = console
        self.name = name
        self.clock = clock
        self._live = Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._due = 0.0
        self._trouble = ""

    def __enter__(self) -> LiveView:
        self._guarded(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guarded(self._draw)
        trouble = self._trouble
        self._trouble = ""
        self._guarded(self._live.stop)
        if trouble:
            self._guarded(lambda: self.console.print(f"the live table ended early: {trouble}", markup=False))

    def event(self, event: Event) -> None:
        """An event was journaled: redraw, if the last drawing is not too recent."""
        self.refresh()

    def refresh(self) -> None:
        """Time has passed: redraw, if the last drawing is not too recent."""
        if time.monotonic() >= self._due:
            self._guarded(self._draw)

    def _draw(self) -> None:
        begun = time.monotonic()
        self._live.update(render(self.history(), self.name, self.clock(), self.console.height), refresh=True)
        now = time.monotonic()
        self._due = now + max(_SHORTEST, (now - begun) / _SHARE)

    def _guarded(self, act: Callable[[], None]) -> None:
        if self._trouble:
            return
        try:
            act()
        except (Exception, SystemExit) as error:  # rich answers a broken pipe with SystemExit
            self._trouble = f"{type(error).__name__}: {error}"


def render(history: History, name: str, now: float, height: int) -> RenderableType:
    """The standing and as many trials as a terminal of so many lines has room for."""
    return Group(*_header(history, name, now), _table(history, max(3, height - _LINES_AROUND)))


def _header(history: History, name: str, now: float) -> list[Text]:
    if not history.study:
        return [Text.assemble((name, "bold"), "  starting Ray …")]
    return [_title(history, name, now), _trials(history), _best(history), _time(history, now)]


def _title(history: History, name: str, now: float) -> Text:
    study = history.study
    what = (
        f"  {study['trainable']} · {algorithm(study['searcher'])} + {algorithm(study['scheduler'])} · {history.state}"
    )
    elapsed = history.seconds + (max(0.0, now - history.sessions[-1][1]) if history.state == "running" else 0.0)
    return _line((name, "bold"), f"{what} · {duration(elapsed)}")


def _trials(history: History) -> Text:
    counts, goal = history.counts(), history.study["budget"].get("trials")
    told = f"{counts['total']}{f' of {goal}' if goal else ''} trials"
    if history.heirs:
        told = f"{counts['total']} trials, {history.heirs} of them heirs"
    parts: list[str | tuple[str, str]] = [f"{told}: "]
    parts += _joined([(f"{counts[state]} {state}", _STYLES[state]) for state in ORDER if counts[state]])
    parts.append("   decisions: ")
    parts += _joined([(f"{count} {action}", "") for action, count in history.decisions.most_common()])
    return _line(*parts)


def _joined(parts: list[tuple[str, str]]) -> list[str | tuple[str, str]]:
    joined: list[str | tuple[str, str]] = []
    for part in parts:
        joined += [part, " · "]
    return joined[:-1] or ["none yet"]


def _best(history: History) -> Text:
    compared = compare(history)
    if compared.best is None:
        return _line(f"best {history.metric}: none yet")
    parts: list[str | tuple[str, str]] = [
        f"best {history.metric} ",
        (number(compared.value), "bold green"),
        f" (trial {compared.best.number}, epoch {compared.epoch})",
    ]
    if compared.default_value is not None:
        parts.append(f" · default {number(compared.default_value)} at epoch {compared.epoch}: ")
        parts.append((gain_words(compared.gain), "bold green" if (compared.gain or 0) > 0 else "bold"))
    elif compared.default is not None:
        parts.append(f" · the default has not reached epoch {compared.epoch} yet")
    if len(history.objectives) > 1:
        parts.append(f" · {counted(len(history.front()), 'trial')} on the Pareto front")
    return _line(*parts)


def _time(history: History, now: float) -> Text:
    busy = (
        f"{counted(history.slots, 'slot')} {percent(history.busy_fraction())} busy · {counted(history.epochs, 'epoch')}"
    )
    estimate = time_left(history, now) if history.state == "running" else None
    if estimate is None:
        return _line(busy)
    return _line(busy, " · about ", (duration(estimate.seconds), "bold"), " left ", (f"({estimate.how})", "dim"))


def _line(*parts: str | tuple[str, str]) -> Text:
    text = Text.assemble(*parts)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _table(history: History, room: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1))
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True, width=8)
    table.add_column("epoch", justify="right", no_wrap=True)
    for metric in [metric for metric, _ in history.objectives] or ["value"]:
        table.add_column(metric, justify="right", no_wrap=True)
    table.add_column("configuration", no_wrap=True, overflow="ellipsis", ratio=5)
    table.add_column("last decision", no_wrap=True, overflow="ellipsis", ratio=4)
    trials, best = _in_order(history), history.best()
    for trial in trials[:room]:
        table.add_row(*_row(trial, history, trial is best), style="bold" if trial is best else "")
    if len(trials) > room:
        table.caption = f"and {len(trials) - room} more"
    return table


def _in_order(history: History) -> list[Trial]:
    """Running trials, then the others from the best down, then those without a value."""
    running = [trial for trial in history.trials if trial.state == "running"]
    ranked = [trial for trial in ranking(history) if trial.state != "running"]
    seen = {trial.number for trial in (*running, *ranked)}
    return running + ranked + [trial for trial in reversed(history.trials) if trial.number not in seen]


def _origin(trial: Trial) -> str:
    if trial.parent is not None:
        mate = f" and {trial.mate[0]}" if trial.mate else ""
        return f"heir of {trial.parent[0]}{mate}: "
    return "default: " if trial.is_default else ""


def _values(trial: Trial, history: History, best: bool) -> list[Text]:
    """A trial's last value in each objective, the primary one first."""
    further = [trial.metrics[trial.epoch][name] if trial.values else None for name, _ in history.objectives[1:]]
    return [Text(number(trial.value), style="green" if best else ""), *[Text(number(value)) for value in further]]


def _row(trial: Trial, history: History, best: bool) -> list[Text]:
    mark = "★ " if best else ""
    config = _origin(trial) + short_config(trial.config)
    done = trial.epoch == history.max_epochs and trial.state in ENDED
    why = "" if done and not trial.failure else trial.why
    return [
        Text(f"{mark}{trial.number}", style="green" if best else ""),
        Text(trial.state, style=_STYLES[trial.state]),
        Text(f"{trial.epoch}/{history.max_epochs}"),
        *_values(trial, history, best),
        Text(config),
        Text(" ".join(why.split()), style="red" if trial.failure else "dim"),
    ]
