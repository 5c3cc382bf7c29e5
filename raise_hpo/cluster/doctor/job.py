"""The doctor's job: one short job that probes its nodes, waited for, and gone from the queue in any case."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from raise_hpo.cluster import slurm
from raise_hpo.cluster.doctor.facts import BatchFacts, JobFacts, NodeFacts
from raise_hpo.cluster.script import JobRequest, render, script_file
from raise_hpo.cluster.site import Site
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder

MINUTES = 10
_EVERY = 1.0
_FILES_SECONDS = 15.0
_CANCEL_SECONDS = 60.0
_LINES = 6


def test_request(site: Site, request: JobRequest, nodes: int) -> JobRequest:
    """What the doctor's job asks for: what a study's does, but a few minutes where test jobs start soon."""
    return dataclasses.replace(
        request, nodes=nodes, hours=MINUTES / 60, lead=10,
        partition=request.partition or site.test_partition, qos=request.qos or site.test_qos,
    )  # fmt: skip


def options(folder: Path) -> tuple[str, ...]:
    """What the doctor's job asks sbatch for otherwise than a study's."""
    return (f"--output={str(folder).replace('%', '%%')}/job.out", "--no-requeue")


def examine(
    folder: Path, site: Site, request: JobRequest, data: list[str], wait: float, say: Callable[[str], None]
) -> JobFacts:
    """Submit the job, wait for it, and gather what its nodes found.

    Args:
        folder: The doctor's own folder, on a file system that all nodes share.
        site: The cluster.
        request: What the job asks for.
        data: The paths of the study's data.
        wait: Seconds to wait for its start.
        say: Is told how the job stands, again and again.
    """
    study = StudyFolder(folder)
    (folder / "request.json").write_text(json.dumps({"data": data, "gpus": request.gpus_of_a_node(site)}))
    (folder / "secret").write_text(secrets.token_hex(16))
    script_file(study).write_text(render(study, site, request, "doctor.sh"))
    try:
        job = slurm.submit(str(script_file(study)), *options(folder))
    except UserError as error:
        return JobFacts(refused=str(error).removeprefix("sbatch refused: "))
    found = JobFacts(job=job)
    try:
        _watch(found, wait, say)
    finally:
        _end(job)
    if found.began:
        _collect(found, folder)
    return found


def _watch(found: JobFacts, wait: float, say: Callable[[str], None]) -> None:
    """Follow the job until it ends, or has not begun in time."""
    began = time.monotonic()
    while True:
        state = slurm.state_of(found.job)
        found.state, found.reason, found.expected = state.state, state.reason, state.start
        found.seconds = state.seconds or 0.0
        if state.state != "PENDING":
            found.began = found.began or state.state == "RUNNING" or bool(state.nodes)
            found.nodes = found.nodes or slurm.hosts(state.nodes)
        if not found.began:
            found.waited = time.monotonic() - began
        say(_words(found))
        if state.ended or (not found.began and found.waited > wait):
            return
        time.sleep(_EVERY)


def _words(found: JobFacts) -> str:
    if found.state == "PENDING":
        known = found.expected not in ("", "Unknown", "N/A")
        expected = f", expected to start {found.expected.replace('T', ' ')}" if known else ""
        return f"job {found.job} waits for {found.waited:.0f} s ({found.reason or 'no reason told'}){expected}"
    on = f" on {', '.join(found.nodes)}" if 0 < len(found.nodes) <= 4 else f" on {len(found.nodes)} nodes"
    return f"job {found.job} is {found.state.lower()}{on} for {found.seconds:.0f} s"


def _end(job: str) -> None:
    """Leave nothing in the queue: its files are removed next."""
    with contextlib.suppress(UserError):
        if slurm.state_of(job).ended:
            return
        slurm.cancel([job])
        deadline = time.monotonic() + _CANCEL_SECONDS
        while not slurm.state_of(job).ended and time.monotonic() < deadline:
            time.sleep(0.5)


def _collect(found: JobFacts, folder: Path) -> None:
    """Read what the job wrote; it may take a while to be seen here."""
    deadline = time.monotonic() + _FILES_SECONDS
    while not (folder / "ended").exists() and found.state == "COMPLETED" and time.monotonic() < deadline:
        time.sleep(0.2)
    for node in found.nodes:
        with contextlib.suppress(OSError, ValueError):
            found.reports[node] = NodeFacts.model_validate_json((folder / f"report-{node}.json").read_text())
        if node not in found.reports or found.reports[node].stage != "done":
            found.last_words_of[node] = _end_of(folder / f"probe-{node}.log")
    found.last_words = _end_of(folder / "job.out")
    found.wrote = (folder / "job.out").exists() or bool(found.reports)
    found.batch = BatchFacts(
        usr1_seconds=_number(folder / "usr1-seconds"), usr1_problem=_end_of(folder / "usr1-problem"),
        overlap_seconds=_number(folder / "overlap-seconds"), overlap_problem=_end_of(folder / "overlap-problem"),
    )  # fmt: skip


def _end_of(path: Path) -> str:
    try:
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return "\n".join(lines[-_LINES:])


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
