"""Nobody but the user gets into a user's cluster, and its token is nowhere but in its file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

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


def test_nobody_but_the_user_gets_into_a_cluster(slurm: SlurmCluster) -> None:
    study = ClusterStudy(slurm, seconds=3.0, max_epochs=200)
    study.submit("--dashboard loopback")
    study.wait_reports(3)
    for node in ("jrc0001", "jrc0002"):
        check_that_every_port_refuses(slurm, node)
    head = json.loads((path_of(study) / "head.json").read_text())
    attempts = product((head["address"], f"ray://127.0.0.1:{head['client']}"), ("wrong", "none"))
    with ThreadPoolExecutor() as at_once:
        tried = [at_once.submit(check_that_no_driver_connects, slurm, head["node"], *attempt) for attempt in attempts]
    for attempt in tried:
        attempt.result()
    check_that_the_token_is_in_its_file_only(slurm, study)
    study.shell(f"scancel {study.jobs[0]}")
    slurm.wait_for(study.jobs[0], "CANCELLED")


def check_that_every_port_refuses(slurm: SlurmCluster, node: str) -> None:
    """Another user asks each port of alice's for something."""
    lines = slurm.run(node, "ss", "-ltnpH", user="root").stdout.splitlines()
    # Slurm's own ports ask for munge's credentials.
    of_srun = {int(line.split()[3].rpartition(":")[2]) for line in lines if '"srun"' in line}
    ours = [found for found in slurm.listening(node, "alice") if found.port not in of_srun]
    assert len(ours) >= 8
    addresses = [f"{'127.0.0.1' if '127.0.0.1' in p.address else node}:{p.port}" for p in ours]
    probe = Path(__file__).parent / "intruder.py"
    answers = json.loads(slurm.run(node, "python", str(probe), *addresses, user="bob", timeout=300).stdout)
    let_in = {at: told for at, told in answers.items() if told not in ("UNAUTHENTICATED", "HTTP [401]", "refused")}
    assert not let_in, "\n".join(lines)


def check_that_no_driver_connects(slurm: SlurmCluster, node: str, address: str, token: str) -> None:
    """Another user starts a driver, on the node itself, with another token or none; some go on trying for minutes."""
    command = ("timeout", "100", "python", "-c", _TRY_TO_JOIN, address, token)
    done = slurm.run(node, *command, user="bob", check=False)
    assert done.returncode != 0 and "inside" not in done.stdout


def check_that_the_token_is_in_its_file_only(slurm: SlurmCluster, study: ClusterStudy) -> None:
    """It is in no other file, no command line, no environment and no log."""
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
