"""Slurm's answers, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from raise_hpo.cluster import slurm
from raise_hpo.errors import UserError

JOB = (
    "JobId=7 JobName=mlpf-1 UserId=alice(2001) JobState=RUNNING Reason=None Dependency=(null) RunTime=00:10:30 "
    "TimeLimit=1-00:00:00 StartTime=2026-11-21T20:00:00 NodeList=jrc[0001-0003] BatchHost=jrc0001 NumNodes=3"
)


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs are found first."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def answer(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_running_job(answers: Path) -> None:
    answer(answers, "scontrol", f"echo '{JOB}'")
    state = slurm.state_of("7")
    assert (state.state, state.nodes, state.reason, state.name) == ("RUNNING", "jrc[0001-0003]", "", "mlpf-1")
    assert (state.seconds, state.left, state.ended) == (630.0, 86400.0 - 630.0, False)


def test_a_job_that_slurm_has_forgotten(answers: Path) -> None:
    answer(answers, "scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert slurm.state_of("7").state == "UNKNOWN" and slurm.state_of("7").ended


def test_what_slurm_refuses_is_one_sentence(answers: Path) -> None:
    answer(
        answers, "sbatch",
        "echo 'sbatch: error: invalid partition specified: x' >&2; "
        "echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1",
    )  # fmt: skip
    with pytest.raises(UserError) as caught:
        slurm.submit("study.sbatch")
    assert str(caught.value) == (
        "sbatch refused: invalid partition specified: x; Batch job submission failed: Invalid partition name specified"
    )


def test_where_slurm_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sbatch is not installed here"):
        slurm.submit("study.sbatch")
