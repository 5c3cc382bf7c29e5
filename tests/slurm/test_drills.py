"""Failures of every kind: each study ends with the trials of an undisturbed one, and nothing is trained in vain."""

from __future__ import annotations

import time
from typing import Any

import pytest

from raise_hpo.cluster.job import all_jobs
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.study import StudySpec

from .cluster import SlurmCluster
from .cluster.system import until
from .studies import STUDY, ClusterStudy, path_of, what_is_left

pytestmark = [pytest.mark.slurm_drill, pytest.mark.timeout(900)]


def undisturbed(**changes: Any) -> dict[int, tuple[float, str, dict[int, float]]]:
    """What a study comes to if nothing happens to it, by the simulator: the loss is a formula."""
    spec = StudySpec.model_validate({**STUDY, "trainable": "a.b:C", **changes})
    events: list[Event] = []
    core = DecisionCore(spec, events.extend, {"lr": 0.1}, clock=(clock := VirtualClock()))
    core.begin("simulated", 1, {})
    Simulator(core, lambda config, epoch: {"val_loss": (config["lr"] - 0.3) ** 2 + 1.0 / epoch}, 1, clock).run()
    trials = History(events).trials
    return {trial.number: (trial.config["lr"], trial.state, dict(trial.values)) for trial in trials}


def check(study: ClusterStudy, **changes: Any) -> None:
    """The study is finished with the trials of an undisturbed one, and nothing was trained in vain."""
    study.wait_finished()
    expected = undisturbed(**changes)
    found = study.outcome()
    assert found.keys() == expected.keys()
    for number, (lr, state, values) in expected.items():
        assert found[number][0] == lr and found[number][1] == state == "finished"
        assert found[number][2] == pytest.approx(values, rel=1e-6)
    study.check_nothing_was_trained_in_vain()


def settled(slurm: SlurmCluster, study: ClusterStudy) -> None:
    """All its jobs end, and leave nothing."""
    for job in study.jobs:
        slurm.wait_for(job, ("COMPLETED", "CANCELLED", "FAILED", "NODE_FAIL"), 90)
    assert what_is_left(slurm, study.user) == {}, study.told()


LONGER = {"max_epochs": 12, "budget": {"trials": 5}, "resources": {"cpus": 8}}


@pytest.fixture
def running(slurm: SlurmCluster) -> ClusterStudy:
    """A study with trials on all nodes, and room for more."""
    study = ClusterStudy(slurm, seconds=2.0, **LONGER)
    study.submit()
    study.wait(lambda: study.hosts() == set(slurm.nodes), "trials run on all nodes", 400)
    study.wait_reports(8)
    return study


def running_on(study: ClusterStudy, node: str) -> set[int]:
    """The trials that run on a node."""
    return {t.number for t in study.history().trials if t.state == "running" and t.stays[-1].node == node}


def test_a_lost_worker_node(slurm: SlurmCluster, running: ClusterStudy) -> None:
    hit = running_on(running, "jrc0003")
    assert hit
    slurm.crash("jrc0003")
    lost_at = time.time()
    running.wait(lambda: not running_on(running, "jrc0003"), "its trials are seen to be lost", 60)
    check(running, **LONGER)
    again = [e for e in running.events("started") if e["trial"] in hit and e["attempt"] == 2]
    assert {event["trial"] for event in again} == hit and all(event["node"] != "jrc0003" for event in again)
    print(f"\ntrials of the lost node ran elsewhere after {max(e['began'] for e in again) - lost_at:.0f} s")
    assert ["jrc0003"] in [event["lost"] for event in running.events("capacity")]
    slurm.boot("jrc0003")
    settled(slurm, running)


def test_a_killed_raylet(slurm: SlurmCluster, running: ClusterStudy) -> None:
    running.shell("pkill -KILL -x raylet", host="jrc0002")
    running.wait(lambda: any("jrc0002" in e["lost"] for e in running.events("capacity")), "the node is lost", 60)
    check(running, **LONGER)
    settled(slurm, running)


def test_a_killed_step(slurm: SlurmCluster, running: ClusterStudy) -> None:
    running.shell("pkill -KILL -f raise_hpo.cluster.node", host="jrc0002")
    running.wait(lambda: "the Ray worker on jrc0002 ended" in running.output(), "the step is started again", 60)
    check(running, **LONGER)
    lost = {event["trial"] for event in running.events("failed")}
    first = [event for event in running.events("started") if event["trial"] in lost and event["attempt"] == 1]
    assert {event["node"] for event in first} <= {"jrc0002"}, "no other node is disturbed"
    settled(slurm, running)


def test_a_network_that_is_cut_and_comes_back(slurm: SlurmCluster, running: ClusterStudy) -> None:
    slurm.unplug("jrc0003")
    time.sleep(30)
    slurm.plug("jrc0003")
    check(running, **LONGER)
    changes = running.events("capacity")
    assert any("jrc0003" in event["lost"] for event in changes)
    settled(slurm, running)


def test_a_killed_head(slurm: SlurmCluster, running: ClusterStudy) -> None:
    running.shell("pkill -KILL -x gcs_server", host="jrc0001")
    check(running, **LONGER)
    assert len(running.jobs) == 1 and path_of(running, 1).name.endswith(".0.1")
    settled(slurm, running)


def test_a_killed_driver(slurm: SlurmCluster, running: ClusterStudy) -> None:
    running.shell("pkill -KILL -f raise_hpo.cluster.driv[e]", host="jrc0001")
    check(running, **LONGER)
    settled(slurm, running)


def test_a_lost_head_node(slurm: SlurmCluster, running: ClusterStudy) -> None:
    slurm.crash("jrc0001")
    (job,) = running.jobs
    slurm.wait_for(job, ("CANCELLED", "NODE_FAIL", "COMPLETED", "FAILED"), 180)
    slurm.boot("jrc0001")
    check(running, **LONGER)
    running.jobs = all_jobs(running.folder)
    assert len(running.jobs) == 2 and "was submitted by jrc000" in running.told()
    settled(slurm, running)


def test_cancel_and_resume(slurm: SlurmCluster, running: ClusterStudy) -> None:
    running.shell(f"scancel {running.jobs[0]}")
    slurm.wait_for(running.jobs[0], "CANCELLED")
    until(lambda: what_is_left(slurm, "alice") == {}, 60, 1.0)
    assert what_is_left(slurm, "alice") == {}
    assert running.history().state != "finished"
    running.submit(reference=running.folder.name)
    check(running, **LONGER)
    settled(slurm, running)


def test_the_wall_time_is_reached_twice(slurm: SlurmCluster) -> None:
    changes = {"max_epochs": 20, "budget": {"trials": 6}, "resources": {"cpus": 16}}
    study = ClusterStudy(slurm, seconds=6.0, **changes)
    study.submit("--time 3 --chain 3")
    for job in study.jobs[:2]:
        slurm.wait_for(job, "FAILED", 300)
        assert "exit code 85" in study.output(job)
    assert [event["state"] for event in study.events("stopped")][:2] == ["stopped", "stopped"]
    study.wait_finished(400)
    check(study, **changes)
    settled(slurm, study)


def test_a_finished_study_cancels_what_was_to_follow(slurm: SlurmCluster) -> None:
    study = ClusterStudy(slurm)
    study.submit("--chain 3")
    check(study)
    for job in study.jobs[1:]:
        slurm.wait_for(job, "CANCELLED", 60)
    settled(slurm, study)


@pytest.mark.parametrize("partition", ["preempt", "preempt-grace"])
def test_preemption(slurm: SlurmCluster, partition: str) -> None:
    study = ClusterStudy(slurm, seconds=2.0, **LONGER)
    (job,) = study.submit(f"--partition {partition} --lead 20")
    study.wait_reports(8)
    other = slurm.submit("-N3", "-t1", "-p", "dc-gpu", "-o", "/dev/null", "--wrap", "sleep 5", user="bob")
    slurm.wait_for(other, "COMPLETED", 150)
    slurm.wait_for(job, "PENDING", 60)
    slurm.wake(job)
    check(study, **LONGER)
    settled(slurm, study)


def test_two_jobs_of_a_study_at_once(slurm: SlurmCluster) -> None:
    changes = {"resources": {"cpus": 8}}
    study = ClusterStudy(slurm, seconds=3.0, **changes)
    study.submit("--nodes 1")
    study.wait_reports(1)
    second = study.shell("sbatch --parsable 'studies/Slow-1/study.sbatch'").strip()
    study.jobs.append(second)
    study.wait(lambda: "waiting" in study.output(second), "the second job waits", 120)
    check(study, **changes)
    settled(slurm, study)
    drivers = [event for event in study.events() if event["event"] in ("study", "resumed")]
    assert len(drivers) == 1


def test_a_node_that_does_not_come_up_is_named(slurm: SlurmCluster) -> None:
    slurm.run("jrc0002", "chmod", "755", "/tmp", user="root")
    study = ClusterStudy(slurm)
    study.submit("--join-seconds 20")
    check(study)
    assert "jrc0002 did not join within 20 s" in study.output() and study.hosts() == {"jrc0001", "jrc0003"}
    strict = ClusterStudy(slurm)
    strict.submit("--join-seconds 20 --require-all")
    slurm.wait_for(strict.jobs[0], "FAILED", 120)
    assert slurm.job(strict.jobs[0])["ExitCode"] == "71:0" and not strict.events()
    assert "jrc0002 did not join" in strict.output()
    slurm.run("jrc0002", "chmod", "1777", "/tmp", user="root")


def test_a_bad_node_is_left_alone_and_named(slurm: SlurmCluster) -> None:
    study = ClusterStudy(slurm, seconds=1.0, budget={"trials": 14}, resources={"cpus": 16})
    study.shell("touch trained-breaks-on-jrc0002")
    study.submit("--nodes 3")
    history = study.wait_finished(300)
    assert set(history.excluded) == {"jrc0002"}
    failed = [trial for trial in history.trials if trial.state == "failed"]
    assert len(failed) == 3 and {trial.stays[-1].node for trial in failed} == {"jrc0002"}
    assert "leaves node jrc0002 alone" in study.output()
    settled(slurm, study)


def test_two_users_on_the_same_nodes(slurm: SlurmCluster) -> None:
    studies = [ClusterStudy(slurm, user=user, resources={"cpus": 4}) for user in ("alice", "bob")]
    for study in studies:
        study.submit("--partition shared --cpus 8")
    for study in studies:
        study.wait(lambda study=study: len(study.hosts()) == 3, "trials on all nodes", 400)
    for study in studies:
        check(study, resources={"cpus": 4})
        slurm.wait_for(study.jobs[0], "COMPLETED", 90)
    for study in studies:
        settled(slurm, study)
