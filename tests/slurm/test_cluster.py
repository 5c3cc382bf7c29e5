"""The test cluster itself: what the tests of jobs take for granted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .cluster import SlurmCluster
from .cluster.host import pids_of
from .cluster.visible import ROOT, views

REQUEUED = """\
#!/bin/bash
trap 'scontrol requeue "$SLURM_JOB_ID"; wait' USR1
[ "${SLURM_RESTART_COUNT:-0}" = 0 ] || { echo again; exit; }
echo started
sleep 300 &
wait
"""

KILLED = """\
import os, signal
from tests.slurm.cluster import SlurmCluster
cluster = SlurmCluster.unused()
cluster.start(nodes=1)
print(cluster.slot, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def home(slurm: SlurmCluster, user: str = "alice") -> Path:
    return slurm.shared / user


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def reached(slurm: SlurmCluster, node: str) -> bool:
    """Whether Slurm's daemon of a node answers on the second network."""
    connect = ("timeout", "3", "bash", "-c", f"< /dev/tcp/{node}i/6818")
    return slurm.run(slurm.login, *connect, check=False).returncode == 0


def test_each_node_is_a_host_of_its_own(slurm: SlurmCluster) -> None:
    show = "echo $SLURMD_NODENAME $(hostname) $(whoami) $PWD $CUDA_VISIBLE_DEVICES $(getent hosts $(hostname)i)"
    lines = slurm.run(slurm.login, "srun", "-N3", "--gres=gpu:4", "bash", "-c", show).stdout.splitlines()
    number = 100 + slurm.slot
    assert sorted(lines) == [
        f"{node} {node} alice {home(slurm)} 0,1,2,3 10.{number}.1.{index} {node}i"
        for index, node in enumerate(slurm.nodes, 1)
    ]


def test_nodes_reach_each_other_on_the_second_network_and_nothing_else(slurm: SlurmCluster) -> None:
    first, second = slurm.nodes[:2]
    with slurm.popen(first, sys.executable, "-m", "http.server", "8123", stderr=subprocess.DEVNULL):
        slurm.wait_until(lambda: slurm.listening(first, "alice"), 60, "the server listens")
        assert slurm.listening(first, "alice") == [(8123, "alice", "0.0.0.0")]
        assert not slurm.listening(second, "alice")
        fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).status)"
        assert slurm.run(second, sys.executable, "-c", fetch, f"http://{first}i:8123", user="bob").stdout == "200\n"
        assert slurm.run(second, "cat", "/proc/net/route").stdout.count("\n") == 3
        slurm.run(first, "pkill", "-U", "alice")


def test_the_product_runs_on_a_node_as_any_user(slurm: SlurmCluster) -> None:
    where = "import raise_hpo, torch, sys; print(raise_hpo.__file__, sys.prefix)"
    shown = slurm.run(slurm.nodes[0], sys.executable, "-c", where, user="bob").stdout
    assert shown == f"{ROOT}/raise_hpo/__init__.py {sys.prefix}\n"


def test_temporary_files_are_of_one_node(slurm: SlurmCluster) -> None:
    slurm.run(slurm.nodes[0], "touch", "/tmp/a", "/dev/shm/b", "/var/tmp/c")
    assert slurm.temp_files(slurm.nodes[0]) == ["/dev/shm/b", "/tmp/a", "/var/tmp/c"]
    assert not slurm.temp_files(slurm.nodes[1])
    assert not Path("/dev/shm/b").exists()


def test_a_folder_that_only_root_may_enter_hides_no_python(tmp_path: Path) -> None:
    closed, clone = tmp_path / "root", tmp_path / "root" / "pyenv" / "3.11"
    clone.mkdir(parents=True)
    for folder, mode in ((tmp_path, 0o755), (closed, 0o700), (clone.parent, 0o755), (clone, 0o755)):
        folder.chmod(mode)
    hidden, kept = views([clone, Path("/usr")])
    assert kept == [clone, Path("/usr")]
    assert Path("/tmp") in hidden or closed in hidden


def test_a_checkout_that_only_root_may_enter_is_seen_by_its_parts(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    tmp_path.chmod(0o700)
    assert views([tmp_path])[1] == [tmp_path / "tests"]


def test_an_array_and_what_depends_on_it(slurm: SlurmCluster) -> None:
    options = ("-p", "shared", "-o", "/dev/null")
    array = slurm.submit(*options, "--array=0-3%2", "--wrap", "[ $SLURM_ARRAY_TASK_ID != 2 ]")
    rest = slurm.submit(*options, f"--dependency=afternotok:{array}", "--wrap", "true")
    slurm.wait_for(rest, "COMPLETED")
    states = {job["ArrayTaskId"]: job["JobState"] for job in slurm.jobs(array)}
    assert states == {"0": "COMPLETED", "1": "COMPLETED", "2": "FAILED", "3": "COMPLETED"}


def test_a_job_requeues_itself_on_a_signal_and_is_woken(slurm: SlurmCluster) -> None:
    script = home(slurm) / "requeued.sh"
    script.write_text(REQUEUED)
    script.chmod(0o755)
    job = slurm.submit("-p", "shared", "--requeue", "--open-mode=append", "-o", "requeued.log", script)
    log = home(slurm) / "requeued.log"
    slurm.wait_until(lambda: "started" in text(log), 60, "the job runs", job)
    slurm.run(slurm.login, "scancel", "--signal=USR1", "--batch", str(job))
    slurm.wait_for(job, "PENDING")
    slurm.wake(job)
    assert slurm.wait_for(job, "COMPLETED")["Restarts"] == "1"
    assert "again" in log.read_text()


def test_two_users_share_a_node(slurm: SlurmCluster) -> None:
    node = slurm.nodes[0]
    options = ("-p", "shared", "-w", node, "-n1", "--mem=500", "--gres=gpu:2", "-o", "gpus.log")
    wrap = ("--wrap", "echo $CUDA_VISIBLE_DEVICES; exec sleep 300")
    jobs = {user: slurm.submit(*options, *wrap, user=user) for user in ("alice", "bob")}
    for user, job in jobs.items():
        slurm.wait_until(lambda user=user: text(home(slurm, user) / "gpus.log"), 60, f"{user}'s job runs", job)
        assert "sleep 300" in [process.command for process in slurm.processes(node, user)]
    assert {(home(slurm, user) / "gpus.log").read_text() for user in jobs} == {"0,1\n", "2,3\n"}
    assert slurm.run(node, "cat", home(slurm) / "gpus.log", user="bob", check=False).returncode


def test_a_node_loses_power_and_comes_back(slurm: SlurmCluster) -> None:
    node = slurm.nodes[2]
    job = slurm.submit("-w", node, "--no-requeue", "-o", "/dev/null", "--wrap", "touch /tmp/mine; sleep 300")
    slurm.wait_until(lambda: "/tmp/mine" in slurm.temp_files(node), 60, "the job runs", job)
    slurm.crash(node)
    with pytest.raises(AssertionError, match=f"{node} is off"):
        slurm.run(node, "true")
    assert slurm.job(job)["JobState"] == "RUNNING"
    slurm.boot(node)
    assert not slurm.processes(node, "alice")
    assert not slurm.temp_files(node)
    slurm.run(slurm.login, "scancel", str(job))
    assert slurm.run(slurm.login, "srun", "-w", node, "hostname").stdout == f"{node}\n"


@pytest.mark.slurm_drill
def test_slurm_gives_up_a_node_without_power_after_a_while(slurm: SlurmCluster) -> None:
    job = slurm.submit("-o", "/dev/null", "--wrap", "sleep 300")
    node = slurm.wait_for(job, "RUNNING")["BatchHost"]
    slurm.crash(node)
    slurm.wait_for(job, "PENDING", 180)
    assert slurm.node_states()[node].startswith("down")
    slurm.wake(job)
    again = slurm.wait_for(job, "RUNNING")
    assert again["Restarts"] == "1"
    assert again["BatchHost"] != node


def test_a_job_lives_through_a_cut_of_the_network(slurm: SlurmCluster) -> None:
    node = slurm.nodes[1]
    job = slurm.submit("-w", node, "-o", "/dev/null", "--wrap", "sleep 8; touch woke")
    slurm.wait_for(job, "RUNNING")
    assert reached(slurm, node)
    slurm.unplug(node)
    assert not reached(slurm, node)
    slurm.plug(node)
    slurm.wait_for(job, "COMPLETED")
    assert (home(slurm) / "woke").exists()


def test_a_job_lives_without_slurms_daemon(slurm: SlurmCluster) -> None:
    node = slurm.nodes[1]
    job = slurm.submit("-w", node, "-o", "/dev/null", "--wrap", "sleep 5")
    slurm.wait_until(lambda: slurm.processes(node), 60, "the job runs", job)
    slurm.kill_slurmd(node)
    assert slurm.processes(node)
    slurm.start_slurmd(node)
    slurm.wait_for(job, "COMPLETED")


def test_a_failed_wait_says_what_slurm_and_the_job_said(slurm: SlurmCluster) -> None:
    job = slurm.submit("-o", "said.log", "--wrap", "echo I am busy; sleep 300")
    slurm.wait_until(lambda: text(home(slurm) / "said.log"), 60, "the job runs", job)
    with pytest.raises(AssertionError, match=r"(?s)job \d+ is COMPLETED.*slurmctld.log.*JobState=RUNNING.*I am busy"):
        slurm.wait_for(job, "COMPLETED", timeout=1)


def test_restoring_undoes_every_failure(slurm: SlurmCluster) -> None:
    crashed, cut, without = slurm.nodes
    slurm.submit("-N3", "-o", "/dev/null", "--wrap", "sleep 300")
    slurm.run(cut, "touch", "/tmp/left")
    left = slurm.popen(cut, "sleep", "300")
    slurm.crash(crashed)
    slurm.unplug(cut)
    slurm.kill_slurmd(without)
    slurm.restore()
    assert left.wait(60)
    assert slurm.idle()
    assert not any(slurm.processes(node) or slurm.temp_files(node) for node in slurm.nodes)


def test_a_second_cluster_starts_beside_it_and_leaves_nothing(slurm: SlurmCluster) -> None:
    before = set(os.listdir("/run")), Path("/proc/mounts").read_text()
    second = SlurmCluster.unused()
    assert second.slot != slurm.slot
    second.start(nodes=1)
    assert second.run(second.login, "srun", "hostname").stdout == "jrc0001\n"
    second.stop()
    assert slurm.idle()
    assert not pids_of(second.folder)
    assert not second.folder.exists()
    assert (set(os.listdir("/run")), Path("/proc/mounts").read_text()) == before


def test_what_a_killed_run_left_is_removed(slurm: SlurmCluster) -> None:
    slot = int(subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout)
    stale = SlurmCluster(slot)
    assert pids_of(stale.folder)
    SlurmCluster.unused().stop()
    assert not pids_of(stale.folder)
    assert not stale.folder.exists()
