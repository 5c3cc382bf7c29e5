"""What the doctor makes of facts: every check can fail, says what it found, and what to do."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raise_hpo.cluster.doctor import between, collectives, disk, login, login_facts, node_facts, nodes, peers
from raise_hpo.cluster.doctor.check import Check, by_node, size
from raise_hpo.cluster.doctor.examine import Diagnosis, Group
from raise_hpo.cluster.doctor.facts import (
    Asked,
    BatchFacts,
    Gpu,
    JobFacts,
    LoginFacts,
    NodeFacts,
    NodeKind,
    Peer,
    Place,
    RayStart,
    Reduced,
    Unreadable,
)
from raise_hpo.cluster.doctor.job import test_request as request_of_doctor
from raise_hpo.cluster.doctor.show import show
from raise_hpo.cluster.script import JobRequest
from raise_hpo.cluster.site import load_site
from tests.test_cli import ROOT

GIB = 2**30
HOME = Place(path="/p/home", kind="gpfs", mount="/p", free=100 * GIB, inodes=10**7)
VERSIONS = {"Python": "3.11.7", "raise-hpo": "0.1.0", "ray": "2.60.0", "torch": "2.13.0"}
PARTITION = {
    "State": "UP", "Default": "YES", "MaxTime": "1-00:00:00", "MaxNodes": "16", "TotalNodes": "24",
    "AllowAccounts": "ALL", "AllowQos": "ALL", "OverSubscribe": "EXCLUSIVE", "PreemptMode": "OFF", "GraceTime": "0",
}  # fmt: skip
CONFIG = {"KillWait": "30 sec", "KillOnBadExit": "0", "PreemptMode": "REQUEUE", "SlurmdTimeout": "300 sec"}
LOGIN = LoginFacts(
    host="jrlogin01", slurm_version="slurm 23.11.4", config=CONFIG, partitions={"gpu": PARTITION}, python=HOME,
    node_kinds=[NodeKind(partition="gpu", nodes=24, cpus=128, features=["a100", "hbm80g"], gres="gpu:a100:4(S:0-1)")],
    accounts=["physics"], qos=["normal", "debug"], package=HOME, studies=HOME, data=2, versions=VERSIONS,
)  # fmt: skip
ASKED = Asked(site="here", account="physics", cpus=128, gpus=4, hours=24, nodes=2, host_suffix="i", partition="gpu")


def node(name: str, number: int, other: str) -> NodeFacts:
    address = f"10.0.1.{number}"
    reduced = {backend: Reduced(seconds={2**20: 0.001, 2**26: 0.01}, gpus=4) for backend in ("gloo", "nccl")}
    return NodeFacts(
        node=name, versions=VERSIONS, address=address, suffixed=[address], own={"ib0": address},
        scratch=Place(path="/tmp", kind="tmpfs", free=100 * GIB), temp_dir=(34, 43), shm=100 * GIB, cpus_given=128,
        cpus_job=128, cpus_usable=128, cpus_there=128, gpus_given=4, memory=512 * GIB, internet=True,
        gpus=[Gpu(name="A100", total=40 * GIB, used=0)] * 4, met=["n1", "n2"], reduced=reduced, stage="done",
        peers={other: Peer(ahead=0.001, file_seconds=0.01, lock_excludes=True)},
    )  # fmt: skip


RAY = RayStart(head_seconds=8.0, joined_seconds=15.0, joined=["n1", "n2"])
REPORTS = {"n1": node("n1", 1, "n2").model_copy(update={"ray": RAY}), "n2": node("n2", 2, "n1")}
JOB = JobFacts(
    job="7", began=True, state="COMPLETED", nodes=["n1", "n2"], wrote=True, reports=REPORTS,
    batch=BatchFacts(usr1_seconds=0.1, overlap_seconds=0.2),
)  # fmt: skip


def in_partition(**changes: str) -> dict[str, Any]:
    return {"partitions": {"gpu": {**PARTITION, **changes}}}


LOGIN_CASES: dict[str, tuple[Callable[..., Check], dict[str, Any], dict[str, Any], str, str]] = {
    "no sbatch": (login.commands, {"missing": ["sbatch"]}, {}, "failed", "sbatch not found"),
    "Slurm is silent": (login.commands, {"slurm_problem": "no answer"}, {}, "failed", "no answer"),
    "old Slurm": (login.commands, {"slurm_version": "slurm 20.02.1"}, {}, "failed", "20.11 or newer"),
    "another host": (login.host, {}, {"submit_hosts": "juwels*"}, "failed", "juwels*"),
    "unknown partition": (login.partition, {}, {"partition": "gpuu"}, "failed", "did you mean 'gpu'?"),
    "no default": (login.partition, in_partition(Default="NO"), {"partition": None}, "failed", "valid: gpu"),
    "closed": (login.partition, in_partition(State="DRAIN"), {}, "failed", "gpu is drain"),
    "too long": (login.time_limit, {}, {"hours": 48}, "failed", "--time 1-00:00:00 or less"),
    "more than a job may": (login.node_count, {}, {"nodes": 17}, "failed", "allows 16"),
    "more than there are": (login.node_count, in_partition(MaxNodes="UNLIMITED"), {"nodes": 25}, "failed", "has 24"),
    "no account": (login.account, {}, {"account": None, "account_needed": True}, "failed", "yours: physics"),
    "not yours": (login.account, {}, {"account": "phisics"}, "failed", "did you mean 'physics'?"),
    "not here": (login.account, in_partition(AllowAccounts="biology"), {}, "failed", "takes biology"),
    "denied here": (login.account, in_partition(DenyAccounts="physics"), {}, "failed", "does not take 'physics'"),
    "unknown qos": (login.quality, {}, {"qos": "debugg"}, "failed", "did you mean 'debug'?"),
    "qos not here": (login.quality, in_partition(AllowQos="normal"), {"qos": "debug"}, "failed", "takes normal"),
    "no such feature": (login.constraint, {}, {"constraint": "a100&hbm40g"}, "failed", "'hbm40g'"),
    "too many GPUs": (login.gpus, {}, {"gpus": 8}, "failed", "--gpus 4"),
    "no GPUs": (login.gpus, {"node_kinds": [NodeKind(partition="gpu", nodes=1, cpus=8)]}, {}, "failed", "none that"),
    "GPUs idle": (login.gpus, {}, {"gpus": 0}, "warning", "--gpus 4"),
    "too many CPUs": (login.cpus, {}, {"cpus": 256}, "failed", "--cpus 128"),
    "one CPU": (login.cpus, in_partition(OverSubscribe="NO"), {"cpus": None}, "warning", "1 of 128"),
    "refused": (login.test_only, {"refused": "Invalid account"}, {}, "failed", "Invalid account"),
    "killed at once": (login.ending, {"config": {**CONFIG, "KillWait": "1 sec"}}, {}, "warning", "KillWait 1 s"),
    "cancelled for others": (login.preemption, in_partition(PreemptMode="CANCEL"), {}, "warning", "--chain 2"),
    "requeued for others": (login.preemption, in_partition(PreemptMode="REQUEUE"), {}, "warning", "trained again"),
    "not to be requeued": (
        login.preemption, in_partition(PreemptMode="REQUEUE"), {"requeue": False}, "warning", "requeue = true"
    ),
    "nodes lost for long": (
        login.lost_nodes, {"config": {**CONFIG, "SlurmdTimeout": "3600 sec"}}, {}, "warning", "after 3600 s"
    ),
    "nodes lost for ever": (
        login.lost_nodes, {"config": {**CONFIG, "SlurmdTimeout": "0 sec"}}, {}, "warning", "never"
    ),
    "venv in memory": (login.python, {"python": Place(path="/tmp/venv", kind="tmpfs")}, {}, "failed", "/tmp/venv"),
    "an old Ray": (login.leftovers, {"leftovers": ["RAY_ADDRESS=1.2.3.4:6379"]}, {}, "warning", "RAY_ADDRESS"),
    "no place for studies": (
        login.studies, {"studies": Place(path="/p", problem="Read-only file system")}, {}, "failed", "Read-only"
    ),
    "studies in /tmp": (
        login.studies, {"studies": Place(path="/tmp/studies", kind="ext4", mount="/")}, {}, "failed", "this host's own"
    ),
    "no locks": (login.locks, {"lock_problem": "No locks available"}, {}, "failed", "'flock'"),
    "no rename": (login.files, {"rename_problem": "Operation not permitted"}, {}, "failed", "not permitted"),
    "tokens for all": (login.files, {"private_problem": "has mode 777"}, {}, "failed", "mode 777"),
    "full": (login.space, {"studies": Place(path="/p", free=2**20)}, {}, "failed", "1 MiB free"),
    "nearly full": (login.space, {"studies": Place(path="/p", free=GIB)}, {}, "warning", "1 GiB free"),
    "few files": (login.space, {"studies": Place(path="/p", free=10**12, inodes=9)}, {}, "warning", "9 files"),
    "over quota": (login.space, {"over_quota": ["/p 10G* 9G"]}, {}, "warning", "10G*"),
    "no data": (login.data, {"unreadable": [Unreadable(path="/d", problem="gone")]}, {}, "failed", "/d: gone"),
}  # fmt: skip

NODE_CASES: dict[str, tuple[Callable[..., Check], dict[str, Any], dict[str, Any], str, str]] = {
    "other versions": (nodes.versions, {"versions": {**VERSIONS, "ray": "2.59.0"}}, {}, "failed", "n2: 2.59.0"),
    "no address": (nodes.address, {"address_problem": "no ib0"}, {}, "failed", "n2: no ib0"),
    "slow network": (nodes.address, {"suffixed": []}, {}, "warning", "n2i is unknown"),
    "no scratch": (nodes.scratch, {"scratch": Place(path="/s", problem="Not found")}, {}, "failed", "/s cannot be"),
    "scratch on GPFS": (nodes.scratch, {"scratch": Place(path="/s", kind="gpfs")}, {}, "failed", "on gpfs"),
    "long scratch": (nodes.scratch, {"temp_dir": (60, 43)}, {}, "failed", "60 characters"),
    "full scratch": (nodes.scratch, {"scratch": Place(path="/s", free=2**20)}, {}, "failed", "1 MiB free"),
    "small scratch": (nodes.scratch, {"scratch": Place(path="/s", free=GIB)}, {}, "warning", "1 GiB free"),
    "no /dev/shm": (nodes.shared_memory, {"shm": 2**26}, {}, "failed", "64 MiB"),
    "small /dev/shm": (nodes.shared_memory, {"shm": 2**29}, {}, "warning", "512 MiB"),
    "few CPUs": (nodes.cpus, {"cpus_given": 64}, {}, "failed", "n2: 64 given"),
    "steps with one CPU": (nodes.cpus, {"cpus_given": 1}, {"cpus": None}, "warning", "n2: 1 of the job's 128"),
    "bound to one": (nodes.cpus, {"cpus_usable": 1}, {}, "warning", "may use 1"),
    "little memory": (nodes.memory, {"memory_limit": GIB}, {}, "warning", "1 GiB of 512 GiB"),
    "part of the memory": (nodes.memory, {"memory_limit": 64 * GIB}, {"exclusive": True}, "warning", "whole nodes"),
    "few GPUs": (nodes.gpus, {"gpus_given": 1}, {}, "failed", "n2: 1 given"),
    "a GPU is broken": (nodes.gpus, {"gpus": [Gpu(name="A100", total=1, used=0)] * 3}, {}, "failed", "3 seen"),
    "no driver": (nodes.gpus, {"gpu_problem": "Driver Not Loaded"}, {}, "failed", "Driver Not Loaded"),
    "GPUs in use": (
        nodes.gpus, {"gpus": [Gpu(name="A100", total=40 * GIB, used=30 * GIB)] * 4}, {}, "warning", "30 GiB of GPU 0"
    ),
    "another Ray": (nodes.earlier_ray, {"ray_processes": ["raylet 12"]}, {}, "warning", "n2: raylet 12"),
    "data not there": (
        nodes.data, {"unreadable": [Unreadable(path="/d", problem="Not found")]}, {}, "failed", "n2: /d: Not found"
    ),
    "offline": (nodes.internet, {"internet": False}, {}, "warning", "internet = false"),
    "no scontrol": (nodes.slurm_there, {"scontrol_problem": "not installed"}, {}, "failed", "n2: not installed"),
    "no sbatch": (nodes.slurm_there, {"sbatch_problem": "denied"}, {}, "warning", "submit_from_nodes = false"),
    "signalled": (nodes.signal, {"signalled": True}, {}, "warning", "n2"),
    "silent node": (nodes.the_job, {"stage": "met"}, {}, "failed", "the probe of n2 last 'met'"),
    "files not seen": (between.shared_folder, {"met": ["n2"]}, {}, "failed", "n2: did not see what n1 wrote"),
    "a file not seen": (between.shared_folder, {"peers": {"n1": Peer()}}, {}, "failed", "n2's by n1"),
    "seen late": (between.shared_folder, {"peers": {"n1": Peer(file_seconds=20)}}, {}, "warning", "20.0 s"),
    "no way": (between.connections, {"peers": {"n1": Peer(problem="n1 port 9: refused")}}, {}, "failed", "n1 at n1"),
    "both lock": (between.locks, {"peers": {"n1": Peer(lock_excludes=False)}}, {}, "failed", "'localflock'"),
    "another time": (between.clocks, {"peers": {"n1": Peer(ahead=-3.0)}}, {}, "warning", "n1 is 3.0 s behind that"),
    "gloo fails": (between.gloo, {"reduced": {"gloo": Reduced(problem="no route")}}, {}, "failed", "n2: no route"),
    "gloo is slow": (between.gloo, {"reduced": {"gloo": Reduced(seconds={2**26: 9.0})}}, {}, "warning", "0.0075 GB/s"),
    "NCCL fails": (between.nccl, {"reduced": {"nccl": Reduced(problem="no GPU")}}, {}, "failed", "no GPU"),
    "NCCL not tried": (between.nccl, {"reduced": {}}, {}, "warning", "not tried"),
}  # fmt: skip

JOB_CASES: dict[str, tuple[Callable[..., Check], dict[str, Any], str, str]] = {
    "refused": (nodes.the_job, {"refused": "Invalid account"}, "failed", "Invalid account"),
    "did not start": (
        nodes.the_job, {"began": False, "waited": 600.0, "reason": "Priority", "expected": "2026-11-21T22:00:00"},
        "failed", "did not start within 600 s (Priority), Slurm expected its start at 2026-11-21 22:00:00",
    ),
    "wrote nothing": (nodes.the_job, {"wrote": False, "state": "FAILED"}, "failed", "do not share that folder"),
    "no Python": (
        nodes.the_job, {"reports": {"n1": REPORTS["n1"]}, "last_words_of": {"n2": "No module named ray"}},
        "failed", "no report from n2; the last words: No module named ray",
    ),
    "no second step": (nodes.second_step, {"batch": BatchFacts(overlap_problem="busy")}, "failed", "busy"),
    "no signal": (nodes.signal, {"batch": BatchFacts()}, "failed", "not within 10 s"),
    "clocks unknown": (between.clocks, {"reports": {}}, "warning", "not compared"),
    "locks unknown": (between.locks, {"reports": {}}, "warning", "not tried"),
    "Ray not tried": (between.ray, {"reports": {"n2": REPORTS["n2"]}}, "warning", "not tried"),
    "Ray failed": (
        between.ray, {"reports": {"n1": REPORTS["n1"].model_copy(update={"ray": RayStart(problem="n2 did not join")})}},
        "failed", "n2 did not join",
    ),
    "Ray is slow": (
        between.ray,
        {"reports": {"n1": REPORTS["n1"].model_copy(update={"ray": RAY.model_copy(update={"joined_seconds": 90.0})})}},
        "warning", "after 90 s",
    ),
}  # fmt: skip


def check(found: Check, state: str, words: str) -> None:
    assert found.state == state, found
    assert words in f"{found.finding} {found.remedy}"
    assert found.remedy and "\n" not in found.remedy


@pytest.mark.parametrize("case", LOGIN_CASES)
def test_what_is_wrong_on_the_login_node_is_named(case: str) -> None:
    judge, facts, asked, state, words = LOGIN_CASES[case]
    check(judge(LOGIN.model_copy(update=facts), ASKED.model_copy(update=asked)), state, words)


@pytest.mark.parametrize("case", NODE_CASES)
def test_what_is_wrong_on_one_node_is_named(case: str) -> None:
    judge, facts, asked, state, words = NODE_CASES[case]
    job = JOB.model_copy(update={"reports": {**REPORTS, "n2": REPORTS["n2"].model_copy(update=facts)}})
    wished = ASKED.model_copy(update=asked)
    check(judge(job, wished) if judge.__module__ == between.__name__ else judge(job, LOGIN, wished), state, words)


@pytest.mark.parametrize("case", JOB_CASES)
def test_what_is_wrong_with_the_job_is_named(case: str) -> None:
    judge, facts, state, words = JOB_CASES[case]
    job = JOB.model_copy(update=facts)
    check(judge(job, ASKED) if judge.__module__ == between.__name__ else judge(job, LOGIN, ASKED), state, words)


def test_versions_on_the_login_node_count_unless_the_site_has_a_python_of_its_own() -> None:
    other = LOGIN.model_copy(update={"versions": {**VERSIONS, "torch": "2.12.0"}})
    check(nodes.versions(JOB, other, ASKED), "failed", "torch 2.12.0 on the login node, 2.13.0 on the nodes")
    contained = ASKED.model_copy(update={"python": "/p/in-container"})
    check(nodes.versions(JOB, other, contained), "warning", "/p/in-container")


def test_a_healthy_site_passes_every_check_and_every_check_can_fail() -> None:
    groups = [login.judge(LOGIN, ASKED), nodes.judge(JOB, LOGIN, ASKED), between.judge(JOB, ASKED)]
    assert [found for group in groups for found in group if found.state != "ok"] == []
    tried = {case[0] for cases in (LOGIN_CASES, NODE_CASES, JOB_CASES) for case in cases.values()}
    judges = {
        judge
        for module in (login, nodes, between)
        for judge in vars(module).values()
        if getattr(judge, "__annotations__", {}).get("return") == "Check" and judge.__module__ == module.__name__
    }
    assert {judge.__name__ for judge in judges - tried} == {"_reduced"}, "a check without a case"


def test_what_slurm_cannot_tell_is_not_judged() -> None:
    told = login.judge(LOGIN.model_copy(update={"missing": ["sbatch"]}), ASKED)
    assert {found.name for found in told} == {
        "Slurm's commands", "Python", "Leftovers of Ray", "Studies folder", "Locks", "Files", "Space", "Data"
    }  # fmt: skip
    told = login.judge(LOGIN, ASKED.model_copy(update={"partition": "gpuu"}))
    assert "Wall time" not in {found.name for found in told} and "Account" in {found.name for found in told}
    assert [found.name for found in nodes.judge(JobFacts(refused="no"), LOGIN, ASKED)] == ["Job"]
    assert between.judge(JobFacts(refused="no"), ASKED) == []
    alone = JOB.model_copy(update={"nodes": ["n1"], "reports": {"n1": REPORTS["n1"]}})
    assert [found.name for found in between.judge(alone, ASKED)] == ["Ray"]


def test_equal_findings_of_nodes_are_told_once() -> None:
    assert by_node([("a", "x"), ("b", "y"), ("c", "x")]) == "a, c: x; b: y"
    assert by_node((f"n{number}", "x") for number in range(6)) == "n0, n1, n2 and 3 more: x"
    assert [size(count) for count in (0, 1000, 2**20, 1.5 * GIB, 2**50)] == [
        "0 B", "1000 B", "1 MiB", "1.5 GiB", "1024 TiB"
    ]  # fmt: skip


def test_the_site_and_the_user_say_what_is_asked_for() -> None:
    site = load_site("jureca-dc")
    asked = Asked.of(site, JobRequest(nodes=3, hours=2.0, account="mine", gpus=0))
    assert (asked.partition, asked.account, asked.gpus, asked.cpus, asked.nodes) == ("dc-gpu", "mine", 0, 128, 3)
    short = request_of_doctor(site, JobRequest(hours=24), 2)
    assert (short.partition, short.nodes) == ("dc-gpu-devel", 2) and short.hours < 0.2
    assert request_of_doctor(site, JobRequest(partition="dc-gpu"), 2).partition == "dc-gpu"


MOUNTS = """\
/dev/sda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
fs1 /p gpfs rw 0 0
fs2 /p/my\\040data lustre rw 0 0
auto /home autofs rw 0 0
nfs:/home /home nfs4 rw 0 0
"""


@pytest.mark.parametrize(
    "path, kind, own",
    [
        ("/tmp/x", "tmpfs", True), ("/var/tmp/x", "ext4", True), ("/p/x", "gpfs", False), ("/home/me", "nfs4", False),
        ("/p/my data/x", "lustre", False), ("/srv/x", "ext4", False), ("/tmpx", "ext4", False),
    ],
)  # fmt: skip
def test_what_is_a_hosts_own(path: str, kind: str, own: bool) -> None:
    found, mount = disk.file_system(Path(path), MOUNTS)
    assert found == kind
    assert disk.is_hosts_own(Place(path=path, kind=found, mount=mount)) is own


def test_a_good_folder_has_no_problems_and_keeps_no_files(tmp_path: Path) -> None:
    found = disk.place(tmp_path)
    assert not found.problem and found.free > 0 and found.kind
    assert not disk.lock_problem(tmp_path) and not disk.rename_problem(tmp_path) and not disk.private_problem(tmp_path)
    assert list(tmp_path.iterdir()) == []
    missing = tmp_path / "missing"
    assert disk.place(missing).problem == disk.lock_problem(missing) == "No such file or directory"
    assert disk.rename_problem(missing) and disk.private_problem(missing)


def test_the_paths_of_a_studys_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("x")
    data = {"train": [str(tmp_path / "*.parquet")], "test": f"file://{tmp_path}", "url": "https://x.y/z", "events": 5}
    paths = disk.data_paths(data)
    assert paths == [str(tmp_path / "*.parquet"), str(tmp_path)]
    assert disk.unreadable(paths) == []
    problems = disk.unreadable([str(tmp_path / "b*"), str(tmp_path / "c")])
    assert [one.problem for one in problems] == ["no file matches", "No such file or directory"]


def test_the_doctors_folder_goes_and_so_does_a_root_that_was_not_there(tmp_path: Path) -> None:
    with login_facts.own_folder(tmp_path / "a" / "studies") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_slurms_tables_are_read() -> None:
    told = login_facts._node_kinds("gpu|24|128+|a100,hbm80g|gpu:a100:4(S:0-1)\ncpu|2|64|(null)|(null)\n")
    assert told == [
        NodeKind(partition="gpu", nodes=24, cpus=128, features=["a100", "hbm80g"], gres="gpu:a100:4(S:0-1)"),
        NodeKind(partition="cpu", nodes=2, cpus=64),
    ]
    assert login_facts._config("Configuration data\nKillWait = 30 sec\n") == {"KillWait": "30 sec"}


def test_only_the_jobs_own_gpus_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, expected in {"2,3": [2, 3], "": [0, 1, 2, 3], "GPU-8a": [0, 1, 2, 3], "5": [0, 1, 2, 3]}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
        assert node_facts._visible(4) == expected


def test_peers_answer_questions_of_those_who_know_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("known")
    with peers.Answers(tmp_path, "127.0.0.1") as answers:
        found = peers.ask(tmp_path, "n1", "n2", "127.0.0.1", answers.port)
        assert not found.problem and found.lock_excludes is True and found.file_seconds is not None
        assert found.ahead is not None and abs(found.ahead) < 0.5
        (tmp_path / "secret").write_text("guessed")
        assert "broke off" in peers.ask(tmp_path, "n1", "n2", "127.0.0.1", answers.port).problem
    assert "refused" in peers.ask(tmp_path, "n1", "n2", "127.0.0.1", answers.port).problem


def test_of_many_nodes_each_asks_its_neighbours() -> None:
    assert peers.neighbours("b", ["a", "b", "c"]) == ["a", "c"]
    many = [f"n{number}" for number in range(20)]
    assert peers.neighbours("n0", many) == ["n19", "n1"] and peers.neighbours("n19", many) == ["n18", "n0"]


def test_all_reduces_are_timed_and_their_troubles_told(tmp_path: Path) -> None:
    found: dict[int, Reduced] = {}

    def measure(rank: int) -> None:
        found[rank] = collectives.all_reduce("gloo", rank, 2, "127.0.0.1", tmp_path)

    threads = [threading.Thread(target=measure, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[rank].problem for rank in range(2)] == ["", ""]
    assert {*found[0].seconds} == {*collectives.SIZES} and all(seconds > 0 for seconds in found[0].seconds.values())
    assert "nosuch" in collectives.all_reduce("nosuch", 0, 1, "127.0.0.1", tmp_path).problem.lower()


def test_the_table_marks_states_and_shows_remedies() -> None:
    checks = [
        Check("One", "ok", "fine"),
        Check("Two", "warning", "slow", "wait"),
        Check("Three", "failed", "bad", "mend"),
    ]
    console = Console(record=True, width=80, file=io.StringIO())
    show(Diagnosis("here", [Group("nodes", checks)], LOGIN, None), console)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[:2] == ["nodes", f"✓ ok        {'One':20}  fine"]
    assert f"✗ failed    {'Three':20}  bad" in lines and any(line.endswith("→ mend") for line in lines)
    assert lines[-1] == "here is not ready: 1 ok, 1 warning, 1 failed"


def test_without_slurm_the_command_fails_and_still_looks_at_folders(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "raise_hpo", "doctor", "--json"],
        cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    told = json.loads(done.stdout)
    states = {found["name"]: found["state"] for found in told["checks"]}
    assert done.returncode == 1 and not told["passed"], done.stderr
    assert states["Slurm's commands"] == "failed" and states["Locks"] == "ok"
    assert list(tmp_path.iterdir()) == []
