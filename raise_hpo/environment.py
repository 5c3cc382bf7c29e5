"""Environment variables that are set for a while: a study in a user's own process leaves them as they were."""

from __future__ import annotations

import os
from collections.abc import Mapping


class Variables:
    """Environment variables of this process that are set now and put back later."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, changes: Mapping[str, str]) -> None:
        """Set variables."""
        self.remember(*changes)
        os.environ.update(changes)

    def remember(self, *names: str) -> None:
        """Put these back as they are now, whoever changes them; those that were remembered before stay as then."""
        self._before = {**{name: os.environ.get(name) for name in names}, **self._before}

    def restore(self) -> None:
        """Put all back as they were."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}
