"""What the commands say of a training that is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.errors import UserError
from raise_hpo.journal import read
from raise_hpo.train.folder import TrainingFolder, find_study_or_training, find_training
from raise_hpo.train.plan import kept_plan
from raise_hpo.train.training import Training

from ..helpers import said
from .test_choose import left, plan, ran, study_file

__all__ = ["study_file"]

HOLD = """\
import sys
from pathlib import Path
from raise_hpo.folder import DriverLock
from raise_hpo.train.folder import TrainingFolder
lock = DriverLock(TrainingFolder(Path(sys.argv[1])))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def training(studies: Path) -> TrainingFolder:
    """An interrupted training of the best trial, after two of five epochs."""
    ran(studies)
    begun = Training(plan())
    left(begun, "interrupted", 2)
    return begun.folder


def test_status_log_and_report(training: TrainingFolder, monkeypatch: Any, capsys: Any) -> None:
    for reference in ("line-1/training-1", str(training.path)):
        code, told = said(monkeypatch, capsys, "status", reference, "--json")
        summary = json.loads(told)
        assert code == 0 and (summary["training"], summary["epochs"]) == ("line-1/training-1", 2)
    _, told = said(monkeypatch, capsys, "status", "line-1/training-1")
    assert "line-1/training-1 interrupted" in told and "raise-hpo resume line-1/training-1" in told
    _, told = said(monkeypatch, capsys, "log", "line-1/training-1", "--json")
    assert [json.loads(line) for line in told.splitlines()] == read(training.journal)
    code, told = said(monkeypatch, capsys, "report", "line-1/training-1")
    assert code == 0 and told.strip() == str(training.report) and training.report.is_file()


def test_the_list_has_trainings_after_the_studies(training: TrainingFolder, monkeypatch: Any, capsys: Any) -> None:
    _, told = said(monkeypatch, capsys, "list", "--json")
    assert [each.get("study") or each["training"] for each in json.loads(told)] == ["line-1", "line-1/training-1"]
    _, told = said(monkeypatch, capsys, "list")
    assert "line-1/training-1" in told and "interrupted" in told


def test_stop_asks_the_driver(training: TrainingFolder, monkeypatch: Any, capsys: Any) -> None:
    code, told = said(monkeypatch, capsys, "stop", "line-1/training-1")
    assert code == 2 and told.startswith("raise-hpo: training line-1/training-1 is not running")
    assert not training.stop_request.exists()
    holder = [sys.executable, "-c", HOLD, str(training.path)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == "held\n"
        code, told = said(monkeypatch, capsys, "stop", "line-1/training-1")
        driver.communicate()
    assert code == 0 and training.stop_request.exists()
    assert f"process {driver.pid} " in told and "'raise-hpo resume line-1/training-1'" in told


@pytest.mark.parametrize("command", ["status", "stop", "report", "log", "resume", "cancel"])
@pytest.mark.parametrize("reference", ["line-1/training-7", "lin-1/training-1", "training-1"])
def test_an_unknown_training_is_one_sentence_with_the_near_ones(
    training: TrainingFolder, monkeypatch: Any, capsys: Any, command: str, reference: str
) -> None:
    code, told = said(monkeypatch, capsys, command, reference)
    assert code == 2 and len(told.strip().splitlines()) == 1
    assert told.startswith(f"raise-hpo: no training '{reference}' in ")
    assert "did you mean 'line-1/training-1'?" in told


def test_a_study_may_be_called_like_a_training(studies: Path) -> None:
    named = ran(studies, "training-1", name="training")
    assert find_study_or_training("training-1") == named
    assert find_training(str(named.path)) is None
    assert find_study_or_training(None) == named


def test_a_training_below_a_study_that_never_ran_is_found(studies: Path, study_file: Path) -> None:
    from raise_hpo.train.choose import choose
    from raise_hpo.train.plan import Plan

    begun = Training(Plan(choose(str(study_file), "default", []), 5, 1))
    left(begun, "interrupted", 2)
    assert find_training("line/training-1") == begun.folder
    with pytest.raises(UserError, match="did you mean 'line/training-1'"):
        find_training("line/training-2")


def test_the_kept_plan_is_the_plan(training: TrainingFolder) -> None:
    asked = plan(epochs=40, workers=2, seed=3, patience=4)
    asked.keep(training)
    found = kept_plan(training)
    assert found.first_events("a") == asked.first_events("a")
    assert (found.workers, found.epochs, found.patience) == (2, 40, 4)
    assert found.choice.home == asked.choice.home


def test_a_finished_training_and_slots_are_refused(training: TrainingFolder, monkeypatch: Any, capsys: Any) -> None:
    code, told = said(monkeypatch, capsys, "resume", "line-1/training-1", "--slots", "2")
    assert code == 2 and told.startswith("raise-hpo: --slots: a training has workers")
    left(done := Training(plan(seed=9)), "finished", 5)
    code, told = said(monkeypatch, capsys, "resume", done.folder.name)
    assert code == 2 and "line-1/training-2 of the same configuration is finished" in told
    done.folder.plan.unlink()
    code, told = said(monkeypatch, capsys, "resume", done.folder.name)
    assert code == 2 and "lacks plan.json; go on by the command that began it" in told
