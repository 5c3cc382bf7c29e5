"""How a submitted study stands in the batch system: its jobs, nodes, time left, and when it will end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from raise_hpo.cluster import slurm
from raise_hpo.cluster.job import Endpoint, RunFiles, all_jobs, read_endpoint, submissions
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder, all_studies, studies_root
from raise_hpo.history import History
from raise_hpo.train.folder import all_trainings

_LATEST = 8


def find_by_job(job: str) -> StudyFolder:
    """The study or training that a job was submitted for.

    Raises:
        UserError: No study here has that job.
    """
    for study in (*all_studies(), *all_trainings()):
        if job in all_jobs(study):
            return study
    raise UserError(f"no study in {studies_root()}/ has a job {job}; see 'raise-hpo list'")


def in_queue(study: StudyFolder, history: History) -> dict[str, Any]:
    """What the batch system knows of a study, as plain data whose keys are kept from now on.

    ``jobs`` holds each job that has not ended, and the last one that has; ``time_left_seconds`` is until the running
    job's wall time, ``ends`` when the study is expected to be over (seconds since the epoch), ``ends_from`` what that
    was made from; ``gpu_busy`` the mean of the last reports of running trials (0-1), None where nobody measures it.

    Raises:
        UserError: Slurm does not answer.
    """
    from raise_hpo.report.estimate import time_left

    latest = submissions(study)[-1]
    states = [slurm.state_of(job) for job in all_jobs(study)[-_LATEST:]]
    shown = [state for state in states if not state.ended] or states[-1:]
    running = next((state for state in states if state.state == "RUNNING"), None)
    now = time.time()
    estimate = time_left(history, now) if history.state == "running" else None
    return {
        "site": latest.site,
        "jobs": [
            {"job": state.job, "state": state.state, "reason": state.reason, "nodes": state.nodes, "start": state.start}
            for state in shown
        ],
        "nodes": history.nodes,
        "excluded": dict(history.excluded),
        "time_left_seconds": running.left if running else None,
        "gpu_busy": gpu_busy(history),
        "ends": round(now + estimate.seconds) if estimate else None,
        "ends_from": estimate.how if estimate else None,
    }


def gpu_busy(history: History) -> float | None:
    """Mean share of time in which the GPUs of running trials computed, by their last reports."""
    running = [trial for trial in history.trials if trial.state == "running" and trial.metrics]
    told = [trial.metrics[trial.epoch].get("gpu_busy") for trial in running]
    known = [value for value in told if value is not None]
    return sum(known) / len(known) if known else None


def queue_words(queue: dict[str, Any]) -> list[tuple[str, str]]:
    """What `in_queue` tells as labelled lines."""
    from raise_hpo.report.words import duration, percent

    lines = []
    for job in queue["jobs"]:
        where = f" on {job['nodes']}" if job["nodes"] else ""
        why = f" ({job['reason']})" if job["reason"] else ""
        waits = job["state"] == "PENDING" and job["start"] not in ("", "Unknown")
        start = f", to start at {job['start'].replace('T', ' ')}" if waits else ""
        lines.append(("job", f"{job['job']} {job['state'].lower()}{where}{why}{start}"))
    if queue["nodes"]:
        lines.append(("nodes", ", ".join(queue["nodes"])))
    lines += [("excluded", f"{node}: {why}") for node, why in queue["excluded"].items()]
    if queue["gpu_busy"] is not None:
        lines.append(("GPUs", f"{percent(queue['gpu_busy'])} busy"))
    if queue["time_left_seconds"] is not None:
        lines.append(("time left", f"{duration(queue['time_left_seconds'])} of this job"))
    if queue["ends"] is not None:
        end = time.strftime("%d %b %H:%M", time.localtime(queue["ends"]))
        lines.append(("ends", f"about {end} ({queue['ends_from']})"))
    return lines


def running_cluster(study: StudyFolder, job: str | None = None) -> tuple[RunFiles, Endpoint]:
    """The Ray cluster of a study's running job, or of one of its jobs.

    Raises:
        UserError: There is none.
    """
    folders = sorted(study.jobs.glob(f"{job or '*'}.*.*/head.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(folders):
        run = RunFiles(Path(path.parent))
        endpoint = read_endpoint(run)
        if endpoint is not None and run.token.exists():
            return run, endpoint
    told = f"job {job}" if job else f"{study.kind} {study.name}"
    raise UserError(f"{told} has no Ray cluster now; see 'raise-hpo status {job or study.name}'")
