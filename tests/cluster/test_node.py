"""What a node tells its Ray: address, ports, processors, GPUs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from raise_hpo.cluster import node
from raise_hpo.cluster.address import free_port, node_address
from raise_hpo.cluster.processes import carrying, end
from raise_hpo.errors import UserError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variables of Slurm's."""
    for name in [name for name in os.environ if name.startswith("SLURM") or name.endswith("VISIBLE_DEVICES")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_the_job_says_how_many_processors_and_gpus(bare: pytest.MonkeyPatch) -> None:
    assert node.node_cpus() == len(os.sched_getaffinity(0)) and node.node_gpus() == 0
    bare.setenv("SLURM_CPUS_ON_NODE", "96")
    bare.setenv("SLURM_GPUS_ON_NODE", "4")
    assert (node.node_cpus(), node.node_gpus()) == (96, 4)
    bare.setenv("SLURM_CPUS_PER_TASK", "48")
    bare.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert (node.node_cpus(), node.node_gpus()) == (48, 2)


def test_amd_gpus_are_named_as_ray_wants_them() -> None:
    found = node.gpus_as_ray_wants({"ROCR_VISIBLE_DEVICES": "0,1", "HOME": "/h"})
    assert found == {"HIP_VISIBLE_DEVICES": "0,1", "HOME": "/h"}
    both = node.gpus_as_ray_wants({"ROCR_VISIBLE_DEVICES": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"})
    assert both == {"CUDA_VISIBLE_DEVICES": "0,1"}


def test_ports_of_a_job_are_free_and_below_the_systems_own() -> None:
    first = free_port(4711)
    assert first == free_port(4711) and 20_000 <= first < 32_000
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        assert free_port(4711) != first


def test_an_address_of_this_host_is_taken_and_no_loopback() -> None:
    own = {a.address for found in psutil.net_if_addrs().values() for a in found if a.family == socket.AF_INET}
    if own <= {"127.0.0.1"}:
        pytest.skip("this machine has no network but its loopback")
    address = node_address(socket.gethostname(), host_suffix="i")
    assert address in own and not address.startswith("127.")
    with pytest.raises(UserError, match="no address on interface 'hsn9'"):
        node_address(socket.gethostname(), interface="hsn9")


def test_only_processes_with_the_mark_are_ended(tmp_path: Path) -> None:
    marked, other = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, "MARK": mark})
        for mark in (str(tmp_path), "other")
    )
    try:
        until = time.monotonic() + 10
        while not (found := carrying("MARK", str(tmp_path))) and time.monotonic() < until:
            time.sleep(0.05)
        assert [process.pid for process in found] == [marked.pid]
        end(found)
        assert marked.wait(5) is not None and other.poll() is None
    finally:
        other.kill()
        other.wait()
