"""Follows a journal that another process writes."""

from __future__ import annotations

from pathlib import Path

from raise_hpo.journal import Event, JournalError, decode


class JournalTail:
    """Reads a journal's events as they come; a last line that is not sound yet is left for the next time.

    Args:
        path: The journal; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """The events that were added since the last call.

        Raises:
            JournalError: A line is damaged and others follow it.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        events = []
        for number, line in enumerate(lines, 1):
            event = decode(line)
            if event is None:
                if number < len(lines):
                    raise JournalError(f"{self.path} is damaged at byte {self._offset}; the lines before it are sound")
                break
            self._offset += len(line)
            events.append(event)
        return events
