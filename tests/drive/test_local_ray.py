"""The private Ray of a study, in a process that has other uses for Ray."""

from __future__ import annotations

import os

import pytest
import ray

from raise_hpo.drive.cluster import LocalRay

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
