"""A training on two nodes, from `submit --train` over a pause to its end."""

from __future__ import annotations

import json

import pytest

from raise_hpo.journal import read
from raise_hpo.train.folder import TrainingFolder

from .cluster import SlurmCluster
from .studies import ClusterStudy, what_is_left

pytestmark = [pytest.mark.slurm_drill, pytest.mark.timeout(900)]


class ClusterTraining(ClusterStudy):
    """The first training of a study that never ran."""

    @property
    def folder(self) -> TrainingFolder:
        return TrainingFolder(self.home / "studies" / "Slow" / "trainings" / "training-1")


def test_a_training_pauses_at_the_warning_and_the_job_goes_on_with_it_later(slurm: SlurmCluster) -> None:
    study = ClusterTraining(slurm, seconds=0.5, resources={"cpus": 16})
    folder = study.folder
    (job,) = study.submit("--train default --workers 2 --epochs 8 --seed 4 --nodes 2")
    study.wait_reports(2)
    study.shell(f"scancel --signal=USR1 --batch {job}")
    study.wait(lambda: "preempted: the job is put back" in study.output(), "the job is put back", 120)
    assert "exit code 85" in study.output()
    paused = folder.history()
    assert (paused.state, paused.why) == ("stopped", f"paused: job {job} is about to end")
    slurm.wait_for(job, "PENDING", 60)
    slurm.wake(job)
    slurm.wait_for(job, "COMPLETED", 300)
    assert [event["epoch"] for event in study.events("reported")] == list(range(1, 9))
    assert {node for event in study.events("started") for node in event["node"].split(", ")} == set(slurm.nodes[:2])
    begun = [event["epoch"] for event in read(folder.epochs) if event["event"] == "began"]
    assert begun == [0, paused.trials[0].epoch], "nothing was trained twice"
    check_finished(study, 8)
    assert what_is_left(slurm, "alice") == {}


def test_a_training_that_has_lost_a_node_goes_back_into_the_queue_for_another(slurm: SlurmCluster) -> None:
    study = ClusterTraining(slurm, seconds=1.0, resources={"cpus": 16})
    (job,) = study.submit("--train default --workers 2 --epochs 100 --seed 4 --nodes 2")
    study.wait_reports(3)
    head, lost_node, spare = slurm.nodes
    assert set(study.events("started")[0]["node"].split(", ")) == {head, lost_node}
    slurm.crash(lost_node)
    study.wait(lambda: "put back into the queue" in study.output(), "the job is put back", 240)
    assert "exit code 75" in study.output()
    lost = study.folder.history()
    assert lost.state == "interrupted" and "places for 1 of 2 workers" in lost.why
    slurm.wait_for(job, "PENDING", 60)
    slurm.wake(job)
    study.wait(lambda: len(study.events("started")) == 2, "it goes on", 240)
    assert set(study.events("started")[1]["node"].split(", ")) == {head, spare}
    study.shell("raise-hpo stop Slow/training-1")
    slurm.wait_for(job, ("COMPLETED", "FAILED"), 120)
    reported = [event["epoch"] for event in study.events("reported")]
    assert reported == list(range(1, len(reported) + 1)) and len(reported) > lost.trials[0].epoch
    begun = [event["epoch"] for event in read(study.folder.epochs) if event["event"] == "began"]
    assert begun[0] == 0 and begun[-1] >= 2, "it went on from a checkpoint"
    slurm.boot(lost_node)
    assert what_is_left(slurm, "alice") == {}


def check_finished(study: ClusterTraining, epochs: int) -> None:
    status = json.loads(study.shell("raise-hpo status Slow/training-1 --json"))
    assert (status["state"], status["epochs"]) == ("finished", epochs)
    assert [each["state"] for each in status["cluster"]["jobs"]] == ["COMPLETED"]
