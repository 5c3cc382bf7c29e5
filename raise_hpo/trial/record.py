"""What a worker leaves on disk: output and tracebacks in a log, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from raise_hpo.trial.failures import TrialFailure, failure_of


@contextlib.contextmanager
def on_record(log_file: Path, rank: int) -> Iterator[None]:
    """What the author's code prints inside goes to a log; what it raises is logged and becomes a failure.

    Args:
        log_file: The log, which all workers add to.
        rank: The worker's number.

    Raises:
        TrialFailure: For any exception that was raised inside.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield
        except TrialFailure:
            raise
        except Exception as error:
            log.write(f"\nrank {rank} at {time.strftime('%F %T')}:\n{traceback.format_exc()}")
            raise failure_of(error) from None


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file so that it is either there with all its bytes or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
