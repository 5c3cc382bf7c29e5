"""Ends of a process that it can answer: SIGTERM, as a batch system or `kill` sends it, is taken for Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def terminated_is_interrupted() -> Iterator[None]:
    """Make SIGTERM end what runs inside as Ctrl-C does, so that it can leave all in order either way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
