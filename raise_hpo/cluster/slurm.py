"""Slurm's commands, as far as we need them; what they refuse becomes one sentence."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from raise_hpo.errors import UserError

_SECONDS = 60.0
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
)  # fmt: skip


@dataclass(frozen=True)
class JobState:
    """What Slurm knows of a job.

    Attributes:
        job: Its number.
        state: ``PENDING``, ``RUNNING``, … as Slurm writes it; ``UNKNOWN`` if Slurm has forgotten it.
        reason: Why it waits or how it ended.
        nodes: Its nodes, as a host list; empty before it runs.
        seconds: How long it has run.
        left: Seconds until its wall time; None if it does not run or has no limit.
        start: When Slurm expects it to start, in Slurm's words.
        name: The job's name.
    """

    job: str
    state: str
    reason: str = ""
    nodes: str = ""
    seconds: float | None = None
    left: float | None = None
    start: str = ""
    name: str = ""

    @property
    def ended(self) -> bool:
        """Whether it will not run any more."""
        return self.state in (*ENDED, "UNKNOWN")


def run(*command: str) -> str:
    """The output of a Slurm command.

    Raises:
        UserError: It is not installed, does not answer, or refuses; what it said is in the message.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed here: jobs cannot be submitted from this host") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]} did not answer within {_SECONDS:.0f} seconds; try again later") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"{command[0]} refused: {_told(error.stderr)}") from None
    return done.stdout


def _told(stderr: str) -> str:
    """What Slurm says, without its preambles."""
    lines = [re.sub(r"^\w+: (error: )?", "", line.strip()) for line in stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines)) or "it gave no reason"


def submit(script: str, *options: str) -> str:
    """Submit a script; the job's number."""
    return run("sbatch", "--parsable", *options, script).strip().split(";")[0]


def test(script: str, *options: str) -> None:
    """Let Slurm check a script without submitting it.

    Raises:
        UserError: Slurm would refuse it.
    """
    run("sbatch", "--test-only", *options, script)


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs; those that have ended are left alone."""
    if jobs:
        run("scancel", *jobs)


def state_of(job: str) -> JobState:
    """How a job stands."""
    try:
        told = run("scontrol", "-o", "show", "job", job)
    except UserError as error:
        if "invalid job id" in str(error).lower():
            return JobState(job, "UNKNOWN")
        raise
    fields = dict(re.findall(r"(\w+)=(\S*)", told.splitlines()[0]))
    running = fields.get("JobState") == "RUNNING"
    seconds = _seconds(fields.get("RunTime", ""))
    limit = _seconds(fields.get("TimeLimit", ""))
    return JobState(
        job=job,
        state=fields.get("JobState", "UNKNOWN"),
        reason="" if fields.get("Reason") == "None" else fields.get("Reason", ""),
        nodes="" if fields.get("NodeList") == "(null)" else fields.get("NodeList", ""),
        seconds=seconds,
        left=max(0.0, limit - seconds) if running and limit is not None and seconds is not None else None,
        start=fields.get("StartTime", ""),
        name=fields.get("JobName", ""),
    )


def hosts(nodes: str) -> list[str]:
    """The names in a host list such as ``jrc[0001-0003]``."""
    return run("scontrol", "show", "hostnames", nodes).split() if nodes else []


def _seconds(text: str) -> float | None:
    """Seconds of ``1-02:03:04``; None for ``UNLIMITED``."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
