"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Trials are many and small: one thread each, as a study gives them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No example of Hypothesis has a time limit: another process may have the machine.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
# A shell that runs the tests in the background lets its processes ignore Ctrl-C, and ours would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for studies, with a space and a letter outside ASCII in its path."""
    root = tmp_path / "studies of Zoë"
    monkeypatch.setenv("RAISE_HPO_STUDIES", str(root))
    return root


def pytest_addoption(parser: pytest.Parser) -> None:
    """The long tests on Slurm run on demand, and golden files are written on demand."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")
    parser.addoption("--slurm-drills", action="store_true", help="also run the long tests on a Slurm cluster")


_LONGEST = ("slurm", "cluster/test_client", "test_kill", "drive/", "cluster/", "train/", "trainables/", "trial/")


def _group(nodeid: str) -> str:
    """What a test shares a cluster with: all of `tests/slurm`, or its own module."""
    path = nodeid.partition("::")[0].removeprefix("tests/")
    return "slurm" if path.startswith("slurm/") else path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest go first, so that of several workers none ends late."""

    def rank(item: pytest.Item) -> int:
        group = _group(item.nodeid)
        return next((at for at, long in enumerate(_LONGEST) if group.startswith(long)), len(_LONGEST))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share a cluster go to the same worker."""
    from xdist.scheduler import LoadScopeScheduling

    class ByCluster(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByCluster(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests on Slurm did not run, and why: a green run without them proves less."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "tests/slurm/" in report.nodeid]
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    for reason, tests in reasons.items():
        terminalreporter.write_line(f"NOT RUN: {tests} tests on Slurm: {reason}", yellow=True, bold=True)
