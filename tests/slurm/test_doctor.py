"""The doctor on a real cluster: a healthy one passes, and what is wrong is found, named and leaves nothing behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .cluster import SlurmCluster
from .studies import what_is_left

SITE = """\
extends = "generic"
title = "the cluster of the tests"
partition = "shared"
cpus = 8
host_suffix = "i"
internet = false
"""


class Doctor:
    """A user who has a site file, a study with data, and asks the doctor."""

    def __init__(self, slurm: SlurmCluster) -> None:
        self.slurm = slurm
        self.home = slurm.shared / "alice" / "doctor of Zoë"
        self._run("mkdir", "-p", str(self.home), cwd="/")
        self.write("here.toml", SITE)

    def write(self, name: str, text: str) -> None:
        self._run("bash", "-c", 'cat > "$1" <<< "$2"', "-", name, text)

    def ask(self, *options: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
        """The exit code, and the checks by their names."""
        command = ("raise-hpo", "doctor", "--site", "here.toml", "--json", *options)
        done = self.slurm.run(self.slurm.login, *command, cwd=self.home, env=environment, check=False, timeout=400)
        assert done.stdout, done.stderr
        self.document: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, {check["name"]: check for check in self.document["checks"]}

    def check_nothing_is_left(self) -> None:
        queue = self.slurm.run(self.slurm.login, "squeue", "-h").stdout
        assert not queue and what_is_left(self.slurm, "alice") == {}
        assert {path.name for path in self.home.iterdir()} <= {"here.toml", "study.yaml"}
        assert [name for host in self.slurm.nodes for name in self.slurm.temp_files(host) if "pymp" in name] == []

    def _run(self, *command: str, cwd: Path | str | None = None) -> None:
        self.slurm.run(self.slurm.login, *command, cwd=cwd or self.home)


def failures(checks: dict[str, dict[str, str]]) -> set[str]:
    return {name for name, check in checks.items() if check["state"] == "failed"}


def test_a_healthy_cluster_passes_and_nothing_is_left(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    code, checks = doctor.ask("--nodes", "2")
    assert code == 0 and not failures(checks), checks
    assert doctor.document["passed"]
    assert "(ib0)" in checks["Address"]["finding"]
    assert "jrc0001, jrc0002: 8 given" in checks["CPUs"]["finding"]
    assert re.search(r"GB/s for 64 MiB between 2 nodes", checks["All-reduce, gloo"]["finding"])
    assert "all 2 node(s) after" in checks["Ray"]["finding"]
    assert checks["Locks between nodes"]["finding"] == "a lock on one node keeps the others out"
    assert checks["Signal USR1"]["state"] == checks["Second step"]["state"] == "ok"
    doctor.check_nothing_is_left()


def test_a_cut_cable_of_the_fast_network_is_named(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    slurm.run(slurm.login, "ip", "link", "set", "ib-jrc0002", "down", user="root")
    code, checks = doctor.ask("--nodes", "2")
    assert code == 1 and failures(checks) == {"TCP"}
    assert "jrc0001 does not reach jrc0002" in checks["TCP"]["finding"]
    doctor.check_nothing_is_left()


def test_a_suffix_that_no_name_has_is_named(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    doctor.write("here.toml", SITE.replace('"i"', '"-ib"'))
    _, checks = doctor.ask("--nodes", "1")
    assert checks["Address"]["state"] == "warning" and "jrc0001-ib is unknown" in checks["Address"]["finding"]


def test_studies_that_nodes_do_not_share_are_named(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    code, checks = doctor.ask("--nodes", "2", RAISE_HPO_STUDIES="/tmp/studies")
    assert code == 1 and failures(checks) == {"Studies folder", "Job"}
    assert "do not share" in checks["Job"]["finding"] and "RAISE_HPO_STUDIES" in checks["Job"]["remedy"]
    doctor.check_nothing_is_left()


def test_data_that_nodes_do_not_see_are_named(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    slurm.run(slurm.login, "bash", "-c", "echo x > /tmp/train.parquet")
    doctor.write(
        "study.yaml", json.dumps({"trainable": "mlpf", "search_space": "mlpf", "data": {"train": "/tmp/train.parquet"}})
    )
    _, checks = doctor.ask("--nodes", "0", "--study", "study.yaml")
    assert checks["Data"]["state"] == "ok"
    _, checks = doctor.ask("--nodes", "1", "--study", "study.yaml")
    assert checks["Data"]["state"] == "failed" and "jrc0001: /tmp/train.parquet" in checks["Data"]["finding"]


@pytest.mark.parametrize(
    "options, name, words",
    [
        (["--partition", "sharedd"], "Partition", "did you mean 'shared'?"),
        (["--time", "48:00:00"], "Wall time", "the partition allows 1-00:00:00"),
        (["--gpus", "8"], "GPUs in Slurm", "have 4"),
        (["--cpus", "64"], "CPUs in Slurm", "have 16"),
        (["--account", 'my "account"'], "sbatch --test-only", "must not hold quotes"),
    ],
)
def test_a_request_that_slurm_refuses_is_named(slurm: SlurmCluster, options: list[str], name: str, words: str) -> None:
    doctor = Doctor(slurm)
    code, checks = doctor.ask("--nodes", "0", *options)
    assert code == 1 and {name} <= failures(checks) <= {name, "sbatch --test-only"}
    assert words in f"{checks[name]['finding']} {checks[name]['remedy']}"


def test_a_job_that_does_not_start_in_time_is_cancelled(slurm: SlurmCluster) -> None:
    doctor = Doctor(slurm)
    busy = slurm.submit("-N3", "--exclusive", "-p", "shared", "-o", "/dev/null", "--wrap", "sleep 200")
    slurm.wait_for(busy, "RUNNING")
    code, checks = doctor.ask("--nodes", "2", "--wait", "3")
    assert code == 1 and failures(checks) == {"Job"}
    assert "did not start within" in checks["Job"]["finding"] and "--wait" in checks["Job"]["remedy"]
    assert slurm.run(slurm.login, "squeue", "-h", "-o", "%A").stdout.split() == [str(busy)]

    ended = ("timeout", "-s", "TERM", "15", "raise-hpo", "doctor", "--site", "here.toml")
    told = slurm.run(slurm.login, *ended, cwd=doctor.home, check=False)
    assert re.search(r"job \d+ waits", told.stderr), told
    assert slurm.run(slurm.login, "squeue", "-h", "-o", "%A").stdout.split() == [str(busy)]
    assert [path.name for path in doctor.home.glob("studies*")] == []
