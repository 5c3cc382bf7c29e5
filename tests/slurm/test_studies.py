"""A study on three nodes, from `submit` to what is left of it."""

from __future__ import annotations

import json
import re

import pytest

from .cluster import SlurmCluster
from .studies import ClusterStudy, what_is_left


def test_a_study_runs_on_all_nodes_and_leaves_nothing_behind(slurm: SlurmCluster) -> None:
    study = ClusterStudy(slurm, budget={"trials": 5}, resources={"cpus": 4, "gpus": 2.0})
    (job,) = study.submit("--gpus 4")
    slurm.wait_for(job, "COMPLETED", 480)
    assert study.history().state == "finished" and study.history().slots == 6, "two trials of 2 GPUs fit on a node of 4"
    assert study.hosts() == set(slurm.nodes)
    assert {trial.state for trial in study.history().trials} == {"finished"}
    study.check_nothing_was_trained_in_vain()
    seconds = re.search(r"3 of 3 nodes are up after (\d+) s", study.output())
    assert seconds, study.output()
    assert what_is_left(slurm, "alice") == {}
    status = json.loads(study.shell(f"raise-hpo status {job} --json"))
    assert status["state"] == "finished" and status["cluster"]["jobs"][0]["state"] == "COMPLETED"


@pytest.mark.parametrize(
    "options, word",
    [("--time 48:00:00", "time"), ("--partition nowhere", "partition"), ("--account other --nodes 4", "node")],
)
def test_what_slurm_refuses_is_one_sentence_and_leaves_no_study(slurm: SlurmCluster, options: str, word: str) -> None:
    study = ClusterStudy(slurm)
    told = slurm.run(slurm.login, "bash", "-c", f"raise-hpo submit study.yaml {options}", cwd=study.home, check=False)
    assert told.returncode == 2 and word in told.stderr.lower() and len(told.stderr.splitlines()) == 1
    assert not any((study.home / "studies").iterdir())
