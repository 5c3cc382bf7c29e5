"""Submitting a training, with a Slurm that only answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.cluster.job import Setting
from raise_hpo.folder import StudyFolder
from raise_hpo.train.folder import TrainingFolder, all_trainings, folder_at, trainings_of
from raise_hpo.train.plan import kept_plan
from raise_hpo.train.training import Training

from ..helpers import said
from ..train.test_choose import left, plan, ran

_SHOW = (
    "JobId=4711 JobName=x JobState={state} Reason=None Dependency=(null) RunTime=00:00:00 TimeLimit=01:00:00 "
    "StartTime=Unknown NodeList=(null)"
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the state of job 4711, which is that of every job."""
    programs = tmp_path / "programs"
    programs.mkdir()
    state = tmp_path / "state"
    state.write_text("PENDING")
    for name, script in {
        "sbatch": '[[ "$*" == *--test-only* ]] || echo 4711',
        "scontrol": f'echo "{_SHOW.format(state=f"$(cat {state})")}"',
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return state


def test_a_training_is_submitted_and_seen_before_any_job_begins(
    studies: Path, slurm: Path, monkeypatch: Any, capsys: Any
) -> None:
    run = ran(studies)
    command = ["submit", "line-1", "--train", "best", "--workers", "2", "--epochs", "40", "--seed", "3"]
    code, told = said(monkeypatch, capsys, *command)
    assert code == 0 and told.startswith("training line-1/training-1: job 4711 on 1 node(s)")
    [folder] = trainings_of(run.path)
    script = (folder.path / "study.sbatch").read_text()
    assert "# Training line-1/training-1 on a Slurm cluster" in script and f"{folder.path}" in script
    kept = kept_plan(folder)
    best = run.history().best()
    assert best is not None and kept.choice.config == best.config
    assert (kept.workers, kept.epochs, kept.seed) == (2, 40, 3)
    for reference in ("line-1/training-1", "4711"):
        _, told = said(monkeypatch, capsys, "status", reference, "--json")
        status = json.loads(told)
        assert (status["training"], status["state"], status["epochs"]) == ("line-1/training-1", "submitted", 0)
        assert status["config"] == best.config and status["cluster"]["jobs"][0]["state"] == "PENDING"
    for again in (command, ["submit", "line-1/training-1"]):
        code, told = said(monkeypatch, capsys, *again)
        assert code == 2 and "job 4711 of training line-1/training-1 is pending already" in told


def test_an_interrupted_training_goes_on_in_a_job(studies: Path, slurm: Path, monkeypatch: Any, capsys: Any) -> None:
    ran(studies)
    left(begun := Training(plan()), "interrupted", 2)
    code, told = said(monkeypatch, capsys, "submit", "line-1", "--train", "best", "--epochs", "9", "--json")
    assert code == 0 and json.loads(told)["training"] == "line-1/training-1"
    assert kept_plan(begun.folder).epochs == 9
    slurm.write_text("FAILED")
    code, told = said(monkeypatch, capsys, "submit", "line-1/training-1", "--json")
    assert code == 0 and json.loads(told)["jobs"] == ["4711"]
    assert [training.name for training in all_trainings()] == ["line-1/training-1"]


def test_a_finished_training_is_not_submitted(studies: Path, slurm: Path, monkeypatch: Any, capsys: Any) -> None:
    ran(studies)
    left(done := Training(plan()), "finished", 5)
    for words in (["line-1", "--train", "best", "--epochs", "5"], [done.folder.name]):
        code, told = said(monkeypatch, capsys, "submit", *words)
        assert code == 2 and "line-1/training-1 of the same configuration is finished" in told
    assert not done.folder.jobs.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--workers", "2"], "--workers belongs to a training: give --train, too"),
        (["--train", "best", "--slots", "2"], "--slots does not go with --train"),
        (["--train", "17"], "--train 17: study line-1 has 4 trials"),
        (["--train", "best", "--workers", "9", "--cpus", "4"], "a trial asks for 9 workers, and 1 node(s)"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_training(
    studies: Path, slurm: Path, monkeypatch: Any, capsys: Any, words: list[str], why: str
) -> None:
    ran(studies)
    code, told = said(monkeypatch, capsys, "submit", "line-1", *words)
    assert code == 2 and why in told and len(told.strip().splitlines()) == 1
    assert all_trainings() == []


def test_a_dry_run_prints_the_script_and_leaves_no_training(
    studies: Path, slurm: Path, monkeypatch: Any, capsys: Any
) -> None:
    ran(studies)
    code, told = said(monkeypatch, capsys, "submit", "line-1", "--train", "best", "--dry-run")
    assert code == 0 and told.startswith("#!/bin/bash\n# Training line-1/training-1")
    assert all_trainings() == []


def test_a_job_knows_whether_it_is_of_a_study_or_a_training(studies: Path) -> None:
    told = {"RAISE_HPO_RUN": "/run", "SLURM_JOB_ID": "1"}
    training = studies / "line-1" / "trainings" / "training-1"
    assert Setting.of({**told, "RAISE_HPO_STUDY": str(training)}).study == TrainingFolder(training)
    assert Setting.of({**told, "RAISE_HPO_STUDY": str(studies / "line-1")}).study == StudyFolder(studies / "line-1")
    assert folder_at(studies / "training-1") == StudyFolder(studies / "training-1")
