"""Submitting a study or training to a site: what can be checked on a login node first, then the jobs of a chain."""

from __future__ import annotations

import fnmatch
import math
import shutil
import socket
import time
from collections.abc import Sequence
from typing import TypeVar

from raise_hpo.cluster import slurm
from raise_hpo.cluster.job import Submitted, all_jobs, note_submission
from raise_hpo.cluster.script import JobRequest, render, script_file, wall_time
from raise_hpo.cluster.site import Site
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder, known_study, studies_root
from raise_hpo.names import study_file
from raise_hpo.session import Session
from raise_hpo.study import StudySpec, load_study_file
from raise_hpo.train.folder import TrainingFolder, find_training
from raise_hpo.train.training import Training

Folder = TypeVar("Folder", bound=StudyFolder)


def warning(site: Site) -> str | None:
    """Whether this seems to be a host of another cluster; only a warning, as names of login nodes change."""
    host = socket.getfqdn()
    if not site.submit_hosts or fnmatch.fnmatch(host, site.submit_hosts):
        return None
    return f"jobs for {site.name} are usually submitted from {site.submit_hosts}, and this is {host}"


def check(spec: StudySpec, site: Site, request: JobRequest) -> None:
    """Compare a study and a request with what the site has.

    Raises:
        UserError: The site cannot serve it; what it can is said.
    """
    if site.account_needed and not (request.account or site.account):
        raise UserError(
            f"{site.name} bills jobs to a project: give --account, or 'account' in a site file of your own "
            f'(extends = "{site.name}")'
        )
    own_partition = request.partition is None or request.partition == site.partition
    if site.max_hours and own_partition and request.hours > site.max_hours:
        raise UserError(
            f"--time {wall_time(request.hours)} is more than {site.name} allows, {wall_time(site.max_hours)}; "
            "ask for that and for --chain 2 or more"
        )
    if site.max_nodes and own_partition and request.nodes > site.max_nodes:
        raise UserError(f"--nodes {request.nodes} is more than {site.name} allows, {site.max_nodes}")
    _check_trial_fits(spec, site, request)


def _check_trial_fits(spec: StudySpec, site: Site, request: JobRequest) -> None:
    """A worker must fit on a node, and a trial's workers on all of them."""
    resources = spec.resources
    gpus, cpus = request.gpus_of_a_node(site), request.cpus_of_a_node(site)
    if resources.gpus > gpus:
        has = f"{gpus} GPUs" if gpus else "no GPUs (--gpus tells how many to ask for)"
        raise UserError(f"resources: a worker asks for {resources.gpus:g} GPU(s), and a node of {site.name} has {has}")
    if cpus and resources.cpus > cpus:
        raise UserError(f"resources: a worker asks for {resources.cpus:g} CPUs, and a node of {site.name} has {cpus}")
    if cpus is None:
        return
    places = math.floor(cpus / resources.cpus + 1e-9)
    if resources.gpus:
        on_gpus = int(gpus) * int(1 / resources.gpus + 1e-9) if resources.gpus < 1 else gpus / resources.gpus
        places = min(places, math.floor(on_gpus + 1e-9))
    if places * request.nodes < spec.most_workers:
        raise UserError(
            f"resources: a trial asks for {spec.most_workers} workers, and {request.nodes} node(s) of "
            f"{site.name} have room for {places * request.nodes}; give more --nodes"
        )


def prepare(
    reference: str, site: Site, request: JobRequest, overrides: Sequence[str] = (), name: str | None = None
) -> StudyFolder:
    """The folder of a new study, or of one that exists already, with its batch script in it.

    Args:
        reference: A study file, a trainable's name, or the name of a study or a training that was begun before.
        site: The cluster.
        request: What each job asks for.
        overrides: ``KEY=VALUE`` for the study file of a new study.
        name: A new study's name.

    Raises:
        UserError: Something is wrong with the study or the request, or a job of the study is queued already.
    """
    existing = _known(reference)
    if existing is None:
        spec = load_study_file(reference, list(overrides))
        check(spec, site, request)
        return _with_script(Session.prepare(spec, name), site, request)
    if overrides or name:
        raise UserError(
            f"{existing.kind} {existing.name} exists: it goes on with its own settings, without --set and --name"
        )
    if isinstance(existing, TrainingFolder):
        return prepare_training(Training.take_up(existing), site, request)
    _check_unfinished(existing)
    _check_not_queued(existing)
    check(StudySpec.model_validate(_settings_of(existing)), site, request)
    existing.jobs.mkdir(exist_ok=True)
    return _with_script(existing, site, request)


def prepare_training(training: Training, site: Site, request: JobRequest) -> TrainingFolder:
    """The folder of a training, new or not, with its plan and its batch script in it.

    Raises:
        UserError: The site cannot serve it, or a job of the training is queued already.
    """
    if training.found is not None:
        _check_not_queued(training.found)
    check(training.study, site, request)
    return _with_script(training.prepare(), site, request)


def _with_script(study: Folder, site: Site, request: JobRequest) -> Folder:
    try:
        script_file(study).write_text(render(study, site, request))
        script_file(study).chmod(0o755)
    except UserError:
        discard(study)
        raise
    return study


def _settings_of(study: StudyFolder) -> dict[str, object]:
    return study.history().study if study.begun else load_study_file(str(study.study_file)).resolved()


def _check_unfinished(study: StudyFolder) -> None:
    if study.begun and (history := study.history()).state == "finished":
        raise UserError(f"study {study.name} is finished ({history.why}); see it with 'raise-hpo report {study.name}'")


def _check_not_queued(study: StudyFolder) -> None:
    for job in all_jobs(study):
        state = slurm.state_of(job)
        if not state.ended:
            raise UserError(
                f"job {job} of {study.kind} {study.name} is {state.state.lower()} already; see it with "
                f"'raise-hpo status {study.name}', end it with 'raise-hpo cancel {study.name}'"
            )


def submit(study: StudyFolder, site: Site, request: JobRequest, chain: int = 1) -> Submitted:
    """Submit the study's batch script, so many times in a chain; each job begins when the one before has ended.

    Raises:
        UserError: Slurm refuses; what was submitted is cancelled, and a study that was not begun is removed.
    """
    script = str(script_file(study))
    jobs: list[str] = []
    try:
        slurm.test(script)
        for _ in range(chain):
            jobs.append(slurm.submit(script, *([f"--dependency=afterany:{jobs[-1]}"] if jobs else [])))
    except UserError:
        slurm.cancel(jobs)
        discard(study)
        raise
    submitted = Submitted(jobs, site.name, request.nodes, request.hours, script, time.time())
    note_submission(study, submitted)
    return submitted


def discard(study: StudyFolder) -> None:
    """Remove a study that was never begun nor submitted."""
    if not study.begun and not all_jobs(study):
        shutil.rmtree(study.path, ignore_errors=True)


def _known(reference: str) -> StudyFolder | None:
    """The study or the training of this name or folder; None if there is none."""
    return find_training(reference) or known_study(reference)


def check_is_known(reference: str) -> None:
    """Refuse what is neither a study file, nor a trainable, nor a study, in one sentence that names them all.

    Raises:
        UserError: It is none of them.
    """
    if _known(reference) is not None:
        return
    try:
        study_file(reference)
    except UserError as error:
        raise UserError(f"{error}; nor is there a study of that name in {studies_root()}/") from None
