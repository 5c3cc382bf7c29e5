from __future__ import annotations

import io
import re
import time
from itertools import pairwise

import pytest
from rich.console import Console

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import EVENTS, read
from raise_hpo.report import live
from raise_hpo.report.live import LiveView, PlainView, event_line, render


def drawn(history: History, height: int = 40, width: int = 150) -> str:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(render(history, "mlpf-3", history.sessions[-1][1] + 5 if history.sessions else 0.0, height))
    return console.export_text()


def test_the_table_tells_how_the_study_stands(broken_off: StudyFolder) -> None:
    history = broken_off.history()
    text, best = drawn(history), history.best()
    assert best is not None
    assert "mlpf-3  mlpf · tpe + asha" in text
    assert f"{len(history.trials)} of 18 trials: 2 running" in text
    assert f"{history.decisions['pause']} pause" in text
    assert f"best val_loss {best.value:.4g} (trial {best.number}, epoch 9)" in text
    assert re.search(r"default 0\.\d+ at epoch 9: \d+ % better", text)
    assert re.search(r"2 slots \d+ % busy · 33 epochs · about .+ left \(from .+ an epoch and .+ epochs a trial", text)
    assert f"★ {best.number}" in text


def test_running_trials_come_first_then_from_the_best_down(broken_off: StudyFolder) -> None:
    history = broken_off.history()
    rows = [line.split() for line in drawn(history).splitlines() if re.match(r"\s+(★ )?\d+\s", line)]
    states = [row[2] if row[0] == "★" else row[1] for row in rows]
    assert states[:2] == ["running", "running"] and "running" not in states[2:]
    epochs = [int(next(cell for cell in row if "/" in cell).split("/")[0]) for row in rows[2:]]
    assert all(one >= other for one, other in pairwise(epochs))
    assert len(rows) == len(history.trials)


@pytest.mark.parametrize("height", [10, 14, 18])
def test_the_table_fits_the_terminal(finished: StudyFolder, height: int) -> None:
    text = drawn(finished.history(), height=height)
    assert len(text.rstrip().splitlines()) <= max(height, 12)
    assert re.search(r"and \d+ more", text)


def test_there_is_something_to_see_before_the_first_event() -> None:
    assert "starting" in drawn(History())


def test_a_view_that_cannot_draw_says_so_and_lets_the_study_run(broken_off: StudyFolder) -> None:
    def broken() -> History:
        raise RuntimeError("no history")

    out = io.StringIO()
    with LiveView(broken, Console(file=out, force_terminal=True, width=100), "mlpf-3") as view:
        for event in read(broken_off.journal)[:5]:
            view.event(event)
        view.refresh()
    assert "the live table ended early: RuntimeError: no history" in out.getvalue()


def test_drawing_takes_a_small_share_of_the_time(broken_off: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    now, draws = [100.0], [0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(*args: object) -> str:
        draws[0] += 1
        now[0] += 1.0
        return "drawn"

    monkeypatch.setattr(live, "render", slow)
    history = broken_off.history()
    view = LiveView(lambda: history, Console(file=io.StringIO(), force_terminal=True), "x")
    for _ in range(100):
        view.refresh()
        now[0] += 1.0
    assert draws[0] <= 100 * 1.0 / 20 + 1


def test_the_view_draws_the_last_standing_when_it_ends(finished: StudyFolder) -> None:
    history, out = finished.history(), io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=30)
    with LiveView(lambda: history, console, "mlpf-3") as view:
        view.refresh()
    assert "18 of 18 trials" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_every_event_has_a_line(finished: StudyFolder, taken_up: StudyFolder) -> None:
    guarded = {"rung": 9, "epoch": 3, "predictor": "svr", "rank": 0.93, "last": 0.9, "curves": 18}
    # A stopper's event and a cluster's; the two studies have none.
    nodes = {"slots": 4, "nodes": ["n1"], "lost": ["n2"], "joined": []}
    handed_back = {"event": "handed_back", "time": 0.0, "trial": 3, "epoch": 2, "why": "the study has 1 slots now"}
    others = [{"event": "guarded", "time": 0.0, **guarded}, {"event": "capacity", "time": 0.0, **nodes}, handed_back]
    others.append({"event": "excluded", "time": 0.0, "node": "n2", "why": "trials fail there"})
    events = [*read(finished.journal), *read(taken_up.journal), *others]
    lines = {event["event"]: event_line(event) for event in events}
    assert set(lines) >= set(EVENTS)
    assert all(re.match(r"\d\d:\d\d:\d\d (trial \d+|study) \S", line) and "\n" not in line for line in lines.values())


def test_plain_lines_join_a_report_and_its_decision(finished: StudyFolder) -> None:
    history, out = finished.history(), io.StringIO()
    with PlainView(lambda: history, Console(file=out, width=60, soft_wrap=True), "mlpf-3") as view:
        for event in read(finished.journal):
            view.event(event)
        view.refresh()
    lines = out.getvalue().splitlines()
    reports = [line for line in lines if re.search(r"epoch \d+ val_loss", line)]
    assert len(reports) == history.epochs
    assert any(
        re.search(r"trial \d+ epoch 3 val_loss 0\.\d+ continue: rung of epoch 3: 1st of \d+, ", line) for line in lines
    )
    assert sum(line.endswith(" finished") for line in reports) == history.counts()["finished"]
    assert not any("checkpoint" in line for line in lines)


def test_a_report_without_a_decision_is_told_at_the_end(broken_off: StudyFolder) -> None:
    history, out = broken_off.history(), io.StringIO()
    report = next(event for event in read(broken_off.journal) if event["event"] == "reported")
    with PlainView(lambda: history, Console(file=out), "x") as view:
        view.event(report)
        assert out.getvalue() == ""
    assert "epoch 1 val_loss" in out.getvalue()


def test_a_reader_who_has_gone_away_does_not_end_the_study(finished: StudyFolder) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    history = finished.history()
    with PlainView(lambda: history, Console(file=Closed()), "x") as view:
        for event in read(finished.journal):
            view.event(event)


def test_markup_in_a_cause_is_text() -> None:
    out = io.StringIO()
    event = {
        "event": "failed",
        "trial": 1,
        "kind": "error",
        "cause": "KeyError: [red]x[/blue]",
        "attempt": 1,
        "retry": False,
    }
    PlainView(History, Console(file=out, width=200), "x").event(event)
    assert "[red]x[/blue]" in out.getvalue()
