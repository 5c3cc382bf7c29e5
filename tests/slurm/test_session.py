"""A session from the login host with the cluster of a job, through Slurm alone."""

from __future__ import annotations

import json

import pytest

from .cluster import SlurmCluster
from .studies import ClusterStudy, what_is_left

pytestmark = [pytest.mark.slurm_drill, pytest.mark.timeout(900)]

_SESSION = """
import json, sys
import raise_hpo
with raise_hpo.connect(job=sys.argv[1]) as session:
    study = session.submit("second.yaml", name="second", priority=1.0)
    study.wait(timeout=400)
    print(json.dumps([study.status()["state"], len(study.trials()), study.best().value, study.status()["folder"]]))
"""


def test_a_second_study_shares_the_cluster_of_a_job_and_keeps_it_up(slurm: SlurmCluster) -> None:
    study = ClusterStudy(slurm, seconds=3.0, max_epochs=25, resources={"cpus": 8})
    second = {**json.loads((study.home / "study.yaml").read_text()), "max_epochs": 60, "budget": {"trials": 3}}
    second["config"] = {"seconds": 2.0, "notes": str(study.home / "trained by the second")}
    study.shell(f"echo '{json.dumps(second)}' > second.yaml")
    (job,) = study.submit()
    study.wait_reports(2)
    done = slurm.run(slurm.login, "python", "-c", _SESSION, job, cwd=study.home, timeout=600)
    state, trials, best, folder = json.loads(done.stdout.splitlines()[-1])
    assert (state, trials) == ("finished", 3) and best == pytest.approx(1 / 60, abs=0.05)
    assert folder == str(study.home / "studies" / "second")
    slots = [event["slots"] for event in study.events("capacity")]
    assert slots[0] == 6 and min(slots) == 3, "the job's own study makes room for the other"
    slurm.wait_for(job, "COMPLETED")
    assert "study Slow-1 is over; the job goes on for second" in study.output()
    assert what_is_left(slurm, "alice") == {}
