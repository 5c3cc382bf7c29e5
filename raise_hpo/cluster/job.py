"""The files of a batch job in its study's folder, and what the batch script tells the processes of the job."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raise_hpo.folder import StudyFolder
from raise_hpo.train.folder import folder_at


@dataclass(frozen=True)
class RunFiles:
    """The folder of one cluster of one job (mode 0700), on the file system that all nodes share."""

    path: Path

    @property
    def token(self) -> Path:
        """The cluster's secret, mode 0600; gone with the cluster."""
        return self.path / "token"

    @property
    def address(self) -> Path:
        """``HOST:PORT`` of the head, and ports of its services on the head's loopback, as JSON; gone with the head."""
        return self.path / "head.json"

    @property
    def stop(self) -> Path:
        """Its presence asks every node to end."""
        return self.path / "stop"

    @property
    def given_back(self) -> Path:
        """Made by the worker node that gave the allocation back because the head was lost."""
        return self.path / "given-back"

    @property
    def pause(self) -> Path:
        """Its presence asks the driver to pause the study, as the job is about to end."""
        return self.path / "pause"

    def excluded(self, node: str) -> Path:
        """Its presence asks a node to leave the cluster; says why."""
        return self.path / f"excluded-{node}"

    def up(self, node: str) -> Path:
        """There as long as a node has anything of the cluster."""
        return self.path / f"up-{node}"

    def log(self, node: str) -> Path:
        """What a node's Ray says."""
        return self.path / f"ray-{node}.log"


@dataclass(frozen=True)
class Endpoint:
    """How to reach a job's Ray cluster.

    Attributes:
        address: ``HOST:PORT`` of the head, between nodes.
        node: The head's name.
        client: Port of the Ray client server on the head's loopback.
        dashboard: Port of the dashboard there; None without one.
        dashboard_host: The address that the dashboard listens on.
        token_file: The file with the cluster's token.
        folder: The head's private folder on its own disk, removed with the cluster.
    """

    address: str
    node: str
    client: int
    dashboard: int | None
    dashboard_host: str
    token_file: str
    folder: str


def write_endpoint(run: RunFiles, endpoint: Endpoint) -> None:
    """Publish the head, whole or not at all."""
    part = run.address.with_suffix(".part")
    part.write_text(json.dumps(asdict(endpoint)))
    os.replace(part, run.address)


def read_endpoint(run: RunFiles) -> Endpoint | None:
    """The head, or None while there is none."""
    try:
        return Endpoint(**json.loads(run.address.read_text()))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class Setting:
    """What the batch script exported for the processes of its job.

    Attributes:
        study: The folder of the study, or of the training.
        run: The folder of this cluster.
        job: The job's number.
        require_all: Whether to give up if a node does not join.
        join_seconds: How long to wait for nodes.
        lead: Seconds between the signal and the wall time.
        host_suffix: As in `Site`.
        interface: As in `Site`.
        scratch: As in `Site`.
        dashboard: ``off``, ``loopback`` or ``node``.
        script: The batch script, to submit it again.
        submit_from_nodes: As in `Site`.
        slots: Trials at a time at the most; as many as fit if None.
    """

    study: StudyFolder
    run: RunFiles
    job: str
    require_all: bool = False
    join_seconds: float = 180.0
    lead: float = 300.0
    host_suffix: str = ""
    interface: str = ""
    scratch: str = "/tmp"
    dashboard: str = "off"
    script: str = ""
    submit_from_nodes: bool = True
    slots: int | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Setting:
        """Read it from the environment.

        Raises:
            KeyError: This process is not of a job that our batch script runs.
        """
        env = os.environ if environment is None else environment
        slots = env.get("RAISE_HPO_SLOTS")
        return cls(
            study=folder_at(Path(env["RAISE_HPO_STUDY"])),
            run=RunFiles(Path(env["RAISE_HPO_RUN"])),
            job=env["SLURM_JOB_ID"],
            require_all=env.get("RAISE_HPO_REQUIRE_ALL") == "1",
            join_seconds=float(env.get("RAISE_HPO_JOIN_SECONDS", "180")),
            lead=float(env.get("RAISE_HPO_LEAD", "300")),
            host_suffix=env.get("RAISE_HPO_HOST_SUFFIX", ""),
            interface=env.get("RAISE_HPO_INTERFACE", ""),
            scratch=env.get("RAISE_HPO_SCRATCH") or "/tmp",
            dashboard=env.get("RAISE_HPO_DASHBOARD", "off"),
            script=env.get("RAISE_HPO_SCRIPT", ""),
            submit_from_nodes=env.get("RAISE_HPO_SUBMIT_FROM_NODES", "1") == "1",
            slots=int(slots) if slots else None,
        )


def say(words: str) -> None:
    """A line in the job's output, or in a node's log, with the time."""
    print(f"{time.strftime('%T')} {words}", flush=True)


def node_name() -> str:
    """This node's name in Slurm, or its host name."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname().split(".")[0]


@dataclass(frozen=True)
class Submitted:
    """What was submitted for a study: the jobs of the chain in their order, and how.

    Attributes:
        jobs: Their numbers.
        site: The site's name.
        nodes: Nodes of each job.
        hours: Wall time of each.
        script: The batch script's path.
        time: When, in seconds since the epoch.
    """

    jobs: list[str]
    site: str
    nodes: int
    hours: float
    script: str
    time: float


def submissions(study: StudyFolder) -> list[Submitted]:
    """All that was submitted for a study, the latest last."""
    found = []
    for path in sorted(study.jobs.glob("submitted-*.json")):
        content: dict[str, Any] = json.loads(path.read_text())
        found.append(Submitted(**content))
    return found


def note_submission(study: StudyFolder, submitted: Submitted) -> None:
    """Keep what was submitted, for `status`, `cancel` and the jobs themselves."""
    study.jobs.mkdir(exist_ok=True)
    path = study.jobs / f"submitted-{int(submitted.time * 1000)}.json"
    path.write_text(json.dumps(asdict(submitted), indent=1))


def all_jobs(study: StudyFolder) -> list[str]:
    """The numbers of all jobs that were submitted for a study, in order."""
    return list(dict.fromkeys(job for submitted in submissions(study) for job in submitted.jobs))
