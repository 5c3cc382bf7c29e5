"""A population on a real Ray whose driver is killed: heirs go on from their parents' weights, and no file is left."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History, Trial
from raise_hpo.journal import read

from ..test_kill import command, finished

STUDY = {
    "trainable": "tests.toys:Remembers",
    "search_space": {"lr": "loguniform(1e-3, 1.0)"},
    "searcher": "random",
    "config": {"epoch_seconds": 0.1},
    "max_epochs": 12,
    "budget": {"trials": 4},
    "default": False,
    "seed": 5,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheduler", ["pbt", "genetic"])
def test_a_population_killed_and_resumed_inherits_weights_and_leaves_nothing(
    scheduler: str, studies: Path, tmp_path: Path
) -> None:
    # An heir of two is likelier among many, and more are left to start after the kill.
    more = {"crossover": 1.0, "interval": 1, "quantile": 0.5} if scheduler == "genetic" else {}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, "scheduler": {scheduler: {"population": 4, "interval": 2, **more}}}))
    process = command("tune", str(file), "--name", "population", "--slots", "2", root=studies)
    folder = StudyFolder(studies / "population")
    while process.poll() is None and len(heirs(folder)) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = heirs(folder)
    finished(command("resume", "population", "--slots", "2", root=studies))

    history = folder.history()
    assert history.state == "finished" and history.counts()["finished"] == 4
    assert len(heirs(folder)) > len(before) >= 2, "some heirs started in each session"
    assert any("mate" in heir["parent"] for heir in heirs(folder)) == (scheduler == "genetic")
    events = read(folder.journal)
    reported = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert set(reported.values()) == {1}
    for trial in history.trials:
        assert_weights_were_inherited(history, trial)
    best = history.best()
    assert best is not None and best.checkpoint is not None
    assert [f"checkpoints/{file.name}" for file in folder.checkpoints.iterdir()] == [best.checkpoint[1]]


def heirs(folder: StudyFolder) -> list[dict[str, Any]]:
    return [event for event in read(folder.journal) if "parent" in event] if folder.journal.exists() else []


def assert_weights_were_inherited(history: History, trial: Trial) -> None:
    """The weights count every epoch once, each at the rate of the configuration that it was trained with."""
    begun, rates = trial.parent[1] if trial.parent else 0, 0.0
    if trial.parent:
        rates = history.trials[trial.parent[0]].metrics[begun]["rates"]
    assert sorted(trial.metrics) == list(range(begun + 1, trial.epoch + 1))
    for epoch, metrics in trial.metrics.items():
        assert metrics["epochs"] == epoch
        assert metrics["rates"] == pytest.approx(rates + (epoch - begun) * trial.config["lr"])
