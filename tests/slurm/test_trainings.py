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
    status = json.loads(study.shell("raise-hpo status Slow/training-1 --json"))
    assert (status["state"], status["epochs"]) == ("finished", 8)
    assert [each["state"] for each in status["cluster"]["jobs"]] == ["COMPLETED"]
    assert what_is_left(slurm, "alice") == {}
