"""A driver killed again and again loses nothing: the whole program, on a real Ray, against one left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import read

from .helpers import decisions

KILLS = 10
ROOT = Path(__file__).resolve().parent.parent

STUDY = {
    "trainable": "tests.toys:Line",
    "search_space": {"lr": "loguniform(1e-4, 1e-1)", "width": "choice([4, 8, 16])"},
    "searcher": {"tpe": {"startup_trials": 5}},
    "scheduler": {"asha": {"mode": "promotion"}},
    "config": {"epoch_seconds": 0.1},
    "max_epochs": 9,
    "budget": {"trials": 20},
    "seed": 3,
}


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the drivers' own, by which their Ray's processes are known."""
    with tempfile.TemporaryDirectory(prefix="k-") as folder:  # a short path, for the sake of Ray's sockets
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def command(*arguments: str, root: Path) -> subprocess.Popen[str]:
    """Start the command line as a user would, in a process of its own."""
    environment = {**os.environ, "RAISE_HPO_STUDIES": str(root), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "raise_hpo", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def comparable(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Decisions with their metrics, but for those that measure time."""
    for event in events:
        for name in ("seconds", "samples_per_second", "energy_joule", "inference_seconds"):
            event.get("metrics", {}).pop(name, None)
    return decisions(events)


def lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def kill_after(process: subprocess.Popen[str], journal: Path, more: int, rng: random.Random) -> None:
    """SIGKILL the driver at a random moment after it has journaled so many events more, or let it end before."""
    goal = lines(journal) + more
    while lines(journal) < goal and process.poll() is None:
        time.sleep(0.01)
    time.sleep(rng.random() * 0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def strays(temporary: Path) -> list[str]:
    """Processes of Rays whose folders were there."""
    lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(words) for words in lines if any(f"{temporary}/" in word for word in words)]


@pytest.mark.timeout(900)
def test_killed_ten_times_at_random_moments_and_resumed(studies: Path, tmp_path: Path, temporary: Path) -> None:
    rng = random.Random(20)
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    undisturbed = command("tune", str(file), "--name", "undisturbed", "--slots", "1", "--json", root=studies)
    summary = json.loads(finished(undisturbed).splitlines()[-1])
    assert summary["state"] == "finished"

    journal = studies / "killed" / "journal.jsonl"
    process = command("tune", str(file), "--name", "killed", "--slots", "1", root=studies)
    for _ in range(KILLS):
        kill_after(process, journal, rng.randrange(1, 15), rng)
        process = command("resume", "killed", "--slots", "1", root=studies)
    finished(process)

    events = read(journal)
    assert sum(event["event"] == "resumed" for event in events) == KILLS
    assert comparable(events) == comparable(read(studies / "undisturbed" / "journal.jsonl"))
    reported = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert set(reported.values()) == {1}
    assert_no_stay_begins_behind_its_checkpoint(events)
    assert not strays(temporary)
    assert StudyFolder(studies / "killed").report.exists()


def assert_no_stay_begins_behind_its_checkpoint(events: list[dict[str, Any]]) -> None:
    """No epoch before the last checkpoint is trained again."""
    saved: dict[int, int] = {}
    for event in events:
        if event["event"] == "checkpointed":
            saved[event["trial"]] = event["epoch"]
        if event["event"] == "started":
            assert event["epoch"] == saved.get(event["trial"], 0)
    assert History(events).state == "finished"
