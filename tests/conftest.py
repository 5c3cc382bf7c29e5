"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Trials are many and small: one thread each, as a study gives them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that runs the tests in the background lets its processes ignore Ctrl-C, and ours would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for studies, with a space and a letter outside ASCII in its path."""
    root = tmp_path / "studies of Zoë"
    monkeypatch.setenv("RAISE_HPO_STUDIES", str(root))
    return root
