"""Takes a journal to MLflow: follow, translate, send, remember; wait and try again when MLflow is away."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import time
from collections.abc import Callable
from shlex import quote
from typing import TextIO

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.journal import Event
from raise_hpo.track import tracking_uri
from raise_hpo.track.batches import batches
from raise_hpo.track.cursor import Cursor
from raise_hpo.track.store import Store
from raise_hpo.track.tail import JournalTail
from raise_hpo.track.training import TrainingStore, TrainingTranslator
from raise_hpo.track.updates import RunUpdate, Translator

_EVENTS_A_BATCH = 200
_POLL_SECONDS = 1.0
_LONGEST_PAUSE = 30.0
_LONGEST_PAUSE_AT_END = 3.0


class GaveUp(Exception):
    """MLflow stayed away; the message says what is missing and how to send it."""


class Input:
    """Standard input, of which only the end matters: then the driver is gone or wants us to come to an end.

    Args:
        follow: False if there is no driver behind standard input; it counts as ended then.
    """

    def __init__(self, follow: bool) -> None:
        self.ended = not follow
        self.ended_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for the end, or for so many seconds."""
        if self.ended:
            time.sleep(min(seconds, _LONGEST_PAUSE_AT_END))
        elif select.select([sys.stdin], [], [], seconds)[0] and not os.read(sys.stdin.fileno(), 4096):
            self.ended, self.ended_at = True, time.monotonic()


class Sender:
    """Sends a study's journal to MLflow, from where an earlier sender left it.

    Args:
        folder: The study's folder.
        uri: The tracking URI; the study's own if None.
        follow: Go on until standard input ends.
        patience: Seconds without success after that end, before giving up.
    """

    def __init__(self, folder: StudyFolder, uri: str | None, follow: bool, patience: float) -> None:
        self.folder = folder
        self.uri = uri
        self.follow = follow
        self.patience = patience
        self.input = Input(follow)
        self.tail = JournalTail(folder.journal)
        self.translator: Translator = Translator()
        self.cursor = Cursor.load(folder)
        self.store: Store | None = None
        self._last_success = time.monotonic()
        self._in_trouble = False

    def run(self) -> None:
        """Send until all is sent and the input has ended.

        Raises:
            GaveUp: MLflow stayed away at the end.
            UserError: There is no journal, it is damaged, or another process sends it.
        """
        if not self.follow and not self.folder.journal.is_file():
            raise UserError(f"{self.folder.path} holds no journal.jsonl; give a study's folder")
        with open(self.folder.path / "mlflow.lock", "a") as file:
            self._lock(file)
            while True:
                events = self.tail.read()
                if events:
                    self._take(events)
                elif self.input.ended:
                    break
                else:
                    self.input.wait(_POLL_SECONDS)
            self._close()

    def _lock(self, file: TextIO) -> None:
        """Wait until the sender of an earlier driver is done; the lock ends with the file."""
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if not self.follow:
                    raise UserError(f"another process is sending study {self.folder.name} to MLflow already") from error
                self._give_up_if_due("another process is still sending")
                self.input.wait(_POLL_SECONDS)

    def _take(self, events: list[Event]) -> None:
        """Send what is new of these events, in batches."""
        if self.store is None:
            self._open(events[0])
        known = [event for event in events if event["seq"] <= self.cursor.seq]
        self.translator.updates(known)
        for batch in batches(events[len(known) :], _EVENTS_A_BATCH):
            self._send(self.translator.updates(batch))
            self.cursor.seq = batch[-1]["seq"]
            self.cursor.save(self.folder)

    def _open(self, first: Event) -> None:
        """Connect; if MLflow does not know the study (another server, a removed file), send it from the start."""
        uri = self.uri or tracking_uri(self.folder, first["study"].get("tracking", {}).get("mlflow"))
        if "training" in first:
            self.translator = TrainingTranslator()
        store = self.store = (TrainingStore if "training" in first else Store)(self.folder, uri, first)
        if self.cursor.seq >= 0 and self._persist(lambda: [] if store.run() else ["gone"]):
            self.cursor = Cursor()
        self.cursor.uri = uri

    def _send(self, updates: list[RunUpdate]) -> None:
        store = self.store
        assert store is not None
        for refusal in self._persist(lambda: store.send(updates)):
            print(f"MLflow refused a part of {refusal}", flush=True)
        self.cursor.run = store.run() or ""

    def _close(self) -> None:
        """Report and model, once all events are sent; and the end of a study whose driver died."""
        store, history = self.store, self.translator.history
        if store is None or self.cursor.closed == self.cursor.seq:
            return
        if self.folder.driver() is None:
            self._send(self.translator.left_open())

        def close() -> list[str]:
            store.close(history)
            return []

        self._persist(close)
        self.cursor.closed = self.cursor.seq
        self.cursor.save(self.folder)

    def _persist(self, act: Callable[[], list[str]]) -> list[str]:
        """Try until it works, with growing pauses; at the end, until patience runs out."""
        pause = 0.5
        while True:
            try:
                done = act()
            except Exception as error:
                self._note(error)
            else:
                self._last_success, self._in_trouble = time.monotonic(), False
                return done
            self._give_up_if_due("MLflow does not answer")
            self.input.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _note(self, error: Exception) -> None:
        if self.store is not None:
            self.store.forget()
        if not self._in_trouble:
            first = (str(error).splitlines() or [""])[0]
            print(f"MLflow cannot be used now, trying again: {type(error).__name__}: {first[:300]}", flush=True)
        self._in_trouble = True

    def _give_up_if_due(self, trouble: str) -> None:
        since = max(self._last_success, self.input.ended_at)
        if self.input.ended and time.monotonic() - since > self.patience:
            raise GaveUp(
                f"{trouble}; nothing is lost, send the rest of study {self.folder.name} later by: "
                f"python -m raise_hpo.track {quote(str(self.folder.path))}"
            )
