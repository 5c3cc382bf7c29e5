"""The batch script of a study or a training: ``slurm/study.sbatch`` filled in for a site."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from raise_hpo.cluster.site import Site, slurm_folder
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder

Dashboard = Literal["off", "loopback", "node"]

# Python must not find a user's other packages, and threads are counted by the study file.
_EXPORTS = {"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "WANDB_MODE": "offline"}


@dataclass(frozen=True)
class JobRequest:
    """What a user wants of each job of a study.

    Attributes:
        nodes: Number of nodes.
        hours: Wall time.
        partition: Instead of the site's.
        account: Instead of the site's.
        qos: Instead of the site's.
        cpus: CPUs of a node, instead of the site's.
        gpus: GPUs of a node, instead of the site's.
        memory: Memory of a node in sbatch's words, instead of the site's.
        slots: Trials at a time at the most.
        lead: Seconds between the signal to pause and the wall time.
        join_seconds: How long to wait for nodes.
        require_all: Whether to give up if a node does not join.
        dashboard: Ray's dashboard: ``off``, on the head's ``loopback``, or on its ``node`` address.
        options: Further options of sbatch, such as ``--mail-type=END``.
    """

    nodes: int = 1
    hours: float = 1.0
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    memory: str | None = None
    slots: int | None = None
    lead: int = 300
    join_seconds: int = 180
    require_all: bool = False
    dashboard: Dashboard = "loopback"
    options: tuple[str, ...] = ()

    def gpus_of_a_node(self, site: Site) -> int:
        """How many GPUs of each node the job asks for."""
        return site.gpus if self.gpus is None else self.gpus

    def cpus_of_a_node(self, site: Site) -> int | None:
        """How many CPUs of each node the job asks for; None if neither the user nor the site says."""
        return self.cpus or site.cpus


def render(study: StudyFolder, site: Site, request: JobRequest, runner: str = "ray_cluster.sh") -> str:
    """The batch script.

    Args:
        study: The folder of the study or training, on a file system that all nodes share.
        site: The cluster.
        request: What the user wants.
        runner: Which of our scripts it runs in the end.
    """
    from jinja2 import Environment, StrictUndefined

    slurm = slurm_folder()
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    template = environment.from_string((slurm / "study.sbatch").read_text())
    exports = {**_EXPORTS, **({} if site.internet else _OFFLINE), **site.env}
    return template.render(
        kind=study.kind, study=study.name, site=site, version=version("raise-hpo"),
        directives=directives(study, site, request), exports=exports, settings=_settings(study, site, request),
        runner=str(slurm / runner),
    )  # fmt: skip


def directives(study: StudyFolder, site: Site, request: JobRequest) -> list[str]:
    """The options of sbatch that the script carries."""
    gpus, cpus = request.gpus_of_a_node(site), request.cpus_of_a_node(site)
    asked = [
        ("job-name", study.name),
        ("account", request.account or site.account),
        ("partition", request.partition or site.partition),
        ("qos", request.qos or site.qos),
        ("constraint", site.constraint),
        ("nodes", request.nodes),
        ("ntasks-per-node", 1),
        ("cpus-per-task", cpus),
        ("mem", request.memory or site.memory),
        ("time", wall_time(request.hours)),
        ("signal", f"B:USR1@{request.lead}"),
        ("output", study.path.resolve() / "jobs" / "job-%j.out"),
    ]
    lines = [f"--{name}={_value(value)}" for name, value in asked if value is not None]
    if gpus:
        lines.append(site.gpu_request.format(gpus=gpus))
    flags = ["--exclusive"] if site.exclusive else []
    flags += ["--no-kill", "--requeue" if site.requeue else "--no-requeue", "--open-mode=append"]
    return [*lines, *flags, *request.options]


def _value(value: object) -> str:
    """A value for an ``#SBATCH`` line, which knows double quotes only."""
    text = str(value)
    if any(character in text for character in '"\n\\'):
        raise UserError(f"{text!r} cannot stand in a batch script: it must not hold quotes, backslashes or line ends")
    return text if all(letter.isalnum() or letter in "/._:@%+-" for letter in text) and text.isascii() else f'"{text}"'


def wall_time(hours: float) -> str:
    """Hours as Slurm writes them: ``1-12:00:00``; at least a minute."""
    minutes = max(1, round(hours * 60))
    days, rest = divmod(minutes, 24 * 60)
    clock = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{clock}" if days else clock


def parse_time(text: str) -> float:
    """Hours of ``HH:MM:SS``, ``D-HH:MM:SS``, ``D-HH`` or minutes, as sbatch takes them.

    Raises:
        UserError: It is none of these.
    """
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if (days.isdecimal() or not dash) and 1 <= len(parts) <= 3 and all(part.isdecimal() for part in parts):
        numbers = [int(part) for part in parts]
        if dash:
            hours, minutes, seconds = (*numbers, 0, 0)[:3]
        elif len(numbers) == 3:
            hours, minutes, seconds = numbers
        else:
            hours, minutes, seconds = 0, *(*numbers, 0)[:2]
        found = int(days or 0) * 24 + hours + minutes / 60 + seconds / 3600
        if found > 0:
            return found
    raise UserError(f"--time {text}: must be HH:MM:SS, D-HH:MM:SS or a number of minutes, 24:00:00 for instance")


def _settings(study: StudyFolder, site: Site, request: JobRequest) -> dict[str, object]:
    found: dict[str, object] = {
        "RAISE_HPO_STUDY": study.path.resolve(),
        "RAISE_HPO_SCRIPT": script_file(study),
        "RAISE_HPO_PYTHON": site.python or sys.executable,
        "RAISE_HPO_LEAD": request.lead,
        "RAISE_HPO_JOIN_SECONDS": request.join_seconds,
        "RAISE_HPO_REQUIRE_ALL": int(request.require_all),
        "RAISE_HPO_DASHBOARD": request.dashboard,
        "RAISE_HPO_HOST_SUFFIX": site.host_suffix or "",
        "RAISE_HPO_INTERFACE": site.interface or "",
        "RAISE_HPO_SCRATCH": site.scratch,
        "RAISE_HPO_SUBMIT_FROM_NODES": int(site.submit_from_nodes),
    }
    if request.slots is not None:
        found["RAISE_HPO_SLOTS"] = request.slots
    return found


def script_file(study: StudyFolder) -> Path:
    """Where a study's batch script is written."""
    return study.path.resolve() / "study.sbatch"
