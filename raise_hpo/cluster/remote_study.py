"""A study on a cluster as a session sees it: its journal is fetched, and folded here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from raise_hpo.errors import UserError
from raise_hpo.history import History, Trial
from raise_hpo.journal import decode

_POLL_SECONDS = 1.0


class RemoteStudy:
    """A study on a cluster, running or not; made by `ClusterSession.submit` and `ClusterSession.study`.

    Whatever is asked, the events that are new in its journal are fetched first.

    Args:
        name: The study's name.
        call: Asks the cluster's host.

    Raises:
        UserError: There is no such study.
    """

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self._call = call
        self._history = History()
        self._offset = 0
        self._at_work = True
        self._fetch()

    def status(self) -> dict[str, Any]:
        """State, counts, best and default values, places of files on the cluster: as ``raise-hpo status --json``."""
        from raise_hpo.report.summary import standing

        history = self._fetch()
        where = self._call("places", self.name, history.study.get("tracking", {}).get("mlflow"), history.last_seq)
        return standing(history, self.name, self._at_work, where)

    def trials(self) -> list[Trial]:
        """All trials so far, with configurations, values at each epoch and decisions."""
        return self._fetch().trials

    def best(self) -> Trial | None:
        """The best trial so far, of those that went furthest."""
        return self._fetch().best()

    def front(self) -> list[Trial]:
        """The Pareto front so far, the best in the primary objective first; with one objective, the best trial."""
        return self._fetch().front()

    def wait(self, timeout: float | None = None) -> str:
        """Wait until the study is over or has stopped; how it ended: ``finished``, ``stopped``, ``failed``, ...

        Args:
            timeout: Seconds to wait; for ever if None.

        Raises:
            TimeoutError: It still runs then.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self._fetch().state in ("new", "running") and self._at_work:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"study {self.name} still runs after {timeout:g} seconds")
            time.sleep(_POLL_SECONDS)
        return "interrupted" if self._history.state in ("new", "running") else self._history.state

    def stop(self) -> None:
        """Have the study stop after the epochs that are running; `resume` goes on with it.

        Raises:
            UserError: It is not running.
        """
        self._call("stop", self.name)

    def resume(self) -> None:
        """Go on with the study after it was stopped, or its cluster was.

        Raises:
            UserError: It is running, or finished.
        """
        self._call("resume", self.name)

    def logs(self, trial: int | None = None) -> str:
        """What a trial has printed, with the traceback if it failed; without a trial, what went wrong in the driver.

        Raises:
            UserError: There is no such trial.
        """
        count = len(self._fetch().trials)
        if trial is not None and not 0 <= trial < count:
            raise UserError(f"study {self.name} has no trial {trial!r}; it has {count}, numbered from 0")
        return str(self._call("log", self.name, trial))

    def _fetch(self) -> History:
        """The history, as of now."""
        while True:
            raw, self._at_work = self._call("journal", self.name, self._offset)
            before = self._offset
            for line in raw.splitlines(keepends=True):
                event = decode(line)
                if event is None:
                    break
                self._history.apply(event)
                self._offset += len(line)
            if self._offset == before:
                return self._history

    def __repr__(self) -> str:
        return f"RemoteStudy({self.name!r})"
