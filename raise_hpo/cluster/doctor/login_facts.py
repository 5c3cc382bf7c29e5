"""Gathers what can be seen on a login node: Slurm's answers, folders, and what the user has set."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raise_hpo.cluster import slurm
from raise_hpo.cluster.doctor import disk
from raise_hpo.cluster.doctor.facts import LoginFacts, NodeKind
from raise_hpo.cluster.doctor.versions import versions
from raise_hpo.cluster.script import JobRequest, render
from raise_hpo.cluster.site import Site
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder

_COMMANDS = ("sbatch", "srun", "scontrol", "squeue", "scancel", "sinfo")
_FIELD = re.compile(r"(\S+?)=(\S*)")


def gather(root: Path, folder: Path | None, data: list[str] | None) -> LoginFacts:
    """What is seen here, without a job; `refusal` tells what Slurm says of jobs.

    Args:
        root: The folder of studies.
        folder: A folder of the doctor's own in it; None if it could not be made.
        data: The paths of a study's data; None without a study.
    """
    facts = LoginFacts(
        host=socket.getfqdn(), versions=versions(), leftovers=_leftovers(),
        python=disk.place(Path(sys.prefix)), package=disk.place(Path(__file__).parents[3]),
        data=None if data is None else len(data), unreadable=disk.unreadable(data or []),
    )  # fmt: skip
    _ask_slurm(facts)
    facts.studies = disk.place(root.resolve())
    if folder is not None:
        facts.lock_problem = disk.lock_problem(folder)
        facts.rename_problem = disk.rename_problem(folder)
        facts.private_problem = disk.private_problem(folder)
    facts.over_quota = _over_quota()
    return facts


def refusal(folder: Path, site: Site, request: JobRequest, *options: str) -> str:
    """Why Slurm would refuse a study's job; empty if it would not."""
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".sbatch") as script:
            script.write(render(StudyFolder(folder), site, request))
            script.flush()
            slurm.test(script.name, *options)
    except UserError as error:
        return str(error).removeprefix("sbatch refused: ")
    return ""


@contextmanager
def own_folder(root: Path) -> Iterator[Path]:
    """A folder of the doctor's own among the studies (mode 0700), gone afterwards; so is ``root`` if it was not there.

    Raises:
        OSError: It cannot be made.
    """
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(parents=True, exist_ok=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix="raise-hpo-doctor-", dir=root))
        try:
            yield folder
        finally:
            _remove(folder)
    finally:
        for empty in made:
            if not any(empty.iterdir()):
                empty.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder, into which a node that is slow to end may still write for a moment."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.5)


def _ask_slurm(facts: LoginFacts) -> None:
    facts.missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if facts.missing:
        return
    try:
        facts.slurm_version = slurm.run("sbatch", "--version").strip()
        facts.config = _config(slurm.run("scontrol", "show", "config"))
        told = [dict(_FIELD.findall(line)) for line in slurm.run("scontrol", "-o", "show", "partition").splitlines()]
        facts.partitions = {fields["PartitionName"]: fields for fields in told if "PartitionName" in fields}
        facts.node_kinds = _node_kinds(slurm.run("sinfo", "-h", "-o", "%R|%D|%c|%f|%G"))
    except UserError as error:
        facts.slurm_problem = str(error)
        return
    facts.accounts = _from_database("assoc", f"user={getpass.getuser()}", "format=account")
    facts.qos = _from_database("qos", "format=name")


def _config(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _node_kinds(text: str) -> list[NodeKind]:
    found = []
    for line in text.splitlines():
        partition, nodes, cpus, features, gres = line.split("|")
        found.append(
            NodeKind(
                partition=partition, nodes=int(nodes), cpus=int(cpus.rstrip("+")), gres="" if "null" in gres else gres,
                features=[] if "null" in features else features.split(","),
            )
        )  # fmt: skip
    return found


def _from_database(what: str, *options: str) -> list[str] | None:
    """A column of Slurm's database; None where there is none, or none that this user may read."""
    try:
        told = slurm.run("sacctmgr", "-nP", "show", what, *options)
    except UserError:
        return None
    return sorted({line.strip() for line in told.splitlines() if line.strip()}) or None


def _leftovers() -> list[str]:
    found = [f"RAY_ADDRESS={os.environ['RAY_ADDRESS']}"] if os.environ.get("RAY_ADDRESS") else []
    token = Path.home() / ".ray" / "auth_token"
    if token.exists() and not os.environ.get("RAY_AUTH_MODE"):
        found.append(str(token))
    return found


def _over_quota() -> list[str]:
    """The lines in which ``quota`` marks, by an asterisk, what is over its limit."""
    if shutil.which("quota") is None:
        return []
    try:
        told = subprocess.run(["quota", "-s", "-w"], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return []
    return [" ".join(line.split()) for line in told.stdout.splitlines() if re.search(r"\d\S*\*", line)]
