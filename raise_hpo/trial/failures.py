"""What went wrong with a trial: a kind and a cause in one line."""

from __future__ import annotations

import traceback
from pathlib import Path

KINDS = {
    "error": "the trainable raised an exception",
    "oom": "out of memory, of the GPU or of the node",
    "nan": "the objective became NaN or infinite",
    "no_metric": "the objective was not reported",
    "timeout": "an epoch took longer than limits.epoch_seconds",
    "killed": "a worker process died",
    "lost": "the node went away",
}
"""Every kind of failure and what it means."""

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "defaultcpuallocator")


class TrialFailure(Exception):
    """A trial broke.

    Attributes:
        kind: One of `KINDS`.
        cause: What happened, in one line.
    """

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(kind, cause)
        self.kind = kind
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}"


def failure_of(error: BaseException) -> TrialFailure:
    """The failure that an exception raised inside a worker stands for, with the author's line it came from."""
    words = str(error).strip().splitlines()
    cause = f"{type(error).__name__}: {words[0] if words else 'no message'}"
    memory = isinstance(error, MemoryError) or any(word in str(error).lower() for word in _MEMORY_WORDS)
    return TrialFailure("oom" if memory else "error", f"{cause}{_place(error)}")


def _place(error: BaseException) -> str:
    """The innermost line outside of installed libraries."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    outside = [frame for frame in frames if "raise_hpo" not in Path(frame.filename).parts] or frames
    return f" ({Path(outside[-1].filename).name} line {outside[-1].lineno})" if outside else ""
