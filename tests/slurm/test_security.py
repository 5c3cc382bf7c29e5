"""Nobody but the user gets into a user's cluster, and its token is nowhere but in its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import SlurmCluster
from .studies import ClusterStudy, path_of

_TRY_TO_JOIN = """
import os, sys, ray
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64) if sys.argv[2] == "wrong" else None
try:
    ray.init(sys.argv[1], log_to_driver=False)
except BaseException as error:
    sys.exit(f"refused: {type(error).__name__}")
print("inside")
"""


@pytest.fixture
def study(slurm: SlurmCluster) -> Iterator[ClusterStudy]:
    """A study of alice's that runs, with the dashboard."""
    study = ClusterStudy(slurm, seconds=3.0, max_epochs=100)
    study.submit("--dashboard loopback")
    study.wait_reports(3)
    yield study
    study.shell(f"scancel {study.jobs[0]}")
    slurm.wait_for(study.jobs[0], "CANCELLED")


def test_another_user_is_refused_at_every_port(slurm: SlurmCluster, study: ClusterStudy) -> None:
    probe = Path(__file__).parent / "intruder.py"
    for node in ("jrc0001", "jrc0002"):
        ours = [found for found in slurm.listening(node, "alice") if found.port not in ports_of_srun(slurm, node)]
        assert len(ours) >= 8
        addresses = [f"{'127.0.0.1' if '127.0.0.1' in p.address else node}:{p.port}" for p in ours]
        told = slurm.run(node, "python", str(probe), *addresses, user="bob", timeout=300).stdout
        answers = json.loads(told)
        let_in = {at: told for at, told in answers.items() if told not in ("UNAUTHENTICATED", "HTTP [401]", "refused")}
        assert not let_in, slurm.run(node, "ss", "-ltnpH", user="root").stdout


def ports_of_srun(slurm: SlurmCluster, node: str) -> set[int]:
    """Slurm's own ports, which ask for munge's credentials."""
    lines = slurm.run(node, "ss", "-ltnpH", user="root").stdout.splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines if '"srun"' in line}


@pytest.mark.parametrize("token", ["wrong", "none"])
def test_another_user_cannot_connect_a_driver(slurm: SlurmCluster, study: ClusterStudy, token: str) -> None:
    head = json.loads((path_of(study) / "head.json").read_text())
    for address in (head["address"], f"ray://127.0.0.1:{head['client']}"):
        done = slurm.run(
            head["node"], "timeout", "100", "python", "-c", _TRY_TO_JOIN, address, token, user="bob", check=False
        )
        assert done.returncode != 0 and "inside" not in done.stdout


def test_the_token_is_in_its_file_and_nowhere_else(slurm: SlurmCluster, study: ClusterStudy) -> None:
    run = path_of(study)
    token = (run / "token").read_text()
    assert len(token) == 64
    assert oct((run / "token").stat().st_mode)[-3:] == "600" and oct(run.stat().st_mode)[-3:] == "700"
    for file in study.folder.path.rglob("*"):
        if file.is_file() and file.name != "token":
            assert token.encode() not in file.read_bytes(), file
    everything = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -cFf \"$1\""
    for node in slurm.nodes:
        found = slurm.run(node, "bash", "-c", everything, "-", str(run / "token"), user="root", check=False)
        assert found.stdout.strip() == "0", f"the token shows in a command line or environment on {node}"
        logs = slurm.run(node, "bash", "-c", 'grep -rlF -f "$1" /tmp; true', "-", str(run / "token"), user="root")
        assert logs.stdout == ""
