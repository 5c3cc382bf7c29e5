"""What `tune` and `resume` share: the view, the closing words, the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import typer
from rich.console import Console

from raise_hpo.history import History
from raise_hpo.report.live import LiveView, PlainView
from raise_hpo.report.summary import closing_words, summary
from raise_hpo.session import Session, View, no_view

DONE, FAILED, INTERRUPTED = 0, 1, 130

ViewMaker = Callable[[Callable[[], History], str], AbstractContextManager[View]]


def choose_view(as_json: bool) -> ViewMaker:
    """A live table on a terminal, a line an event elsewhere, nothing if only JSON is wanted."""
    if as_json:
        return no_view
    if sys.stdout.isatty():
        return lambda history, name: LiveView(history, Console(), name)
    return lambda history, name: PlainView(history, Console(soft_wrap=True), name)


def run_session(session: Session, as_json: bool) -> None:
    """Run a session, say how it ended, and exit with the code that says the same.

    Raises:
        typer.Exit: With the exit code.
        KeyboardInterrupt: Interrupted before the study had begun.
    """
    code = FAILED
    try:
        history = session.run()
        code = _exit_code(history)
    except KeyboardInterrupt:
        if not session.folder.journal.exists():
            raise
        code = INTERRUPTED
    ended: dict[str, Any] = summary(session.folder)
    if as_json:
        print(json.dumps(ended))
    else:
        Console().print(closing_words(ended))
    raise typer.Exit(code)


def _exit_code(history: History) -> int:
    if history.state == "finished":
        return DONE if history.best() is not None else FAILED
    return INTERRUPTED
