"""The private Ray of a study, in a process that has other uses for Ray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from raise_hpo.drive.cluster import AttachedRay, LocalRay, forget_earlier_token, fresh_token

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend


def test_the_process_can_use_a_ray_of_its_own_afterwards() -> None:
    """The study's token is gone with its Ray, and so must be the wish for one."""
    of_ray = {"PYTHONBREAKPOINT", "RAY_USAGE_STATS_ENABLED"}  # which it sets itself
    before = dict(os.environ)
    with LocalRay(cpus=1):
        assert os.environ["RAY_AUTH_MODE"] == "token"
    assert {name: value for name, value in os.environ.items() if name not in of_ray - {*before}} == before
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        assert ray.cluster_resources()["CPU"] == 1
    finally:
        ray.shutdown()


def test_a_process_that_used_a_token_can_join_a_cluster_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray reads its settings once a process: with an earlier cluster's it would refuse this one's daemons."""
    for name, value in fresh_token(tmp_path).items():
        monkeypatch.setenv(name, value)
    forget_earlier_token()
    monkeypatch.undo()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with AttachedRay(cluster.address):
            answer = ray.remote(Answering).remote()
            assert ray.get(answer.forty_two.remote(), timeout=60) == 42
    finally:
        cluster.shutdown()


class Answering:
    def forty_two(self) -> int:
        return 42
