"""All of the doctor: gather, judge, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raise_hpo.cluster.doctor import between, job, login, login_facts, nodes
from raise_hpo.cluster.doctor.check import Check
from raise_hpo.cluster.doctor.disk import data_paths
from raise_hpo.cluster.doctor.facts import Asked, JobFacts, LoginFacts
from raise_hpo.cluster.script import JobRequest
from raise_hpo.cluster.site import Site
from raise_hpo.study import StudySpec


@dataclass(frozen=True)
class Group:
    """Checks of one kind, under a heading."""

    title: str
    checks: list[Check]


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        site: The site's name.
        groups: All checks.
        login: The facts that were judged.
        job: Those of the job; None if there was none.
    """

    site: str
    groups: list[Group]
    login: LoginFacts
    job: JobFacts | None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.state != "failed" for group in self.groups for check in group.checks)

    def count(self, state: str) -> int:
        """How many checks are in a state."""
        return sum(check.state == state for group in self.groups for check in group.checks)

    def document(self) -> dict[str, Any]:
        """Everything, as plain data."""
        checks = [{"group": group.title, **asdict(check)} for group in self.groups for check in group.checks]
        facts = {"login": self.login.model_dump(), "job": self.job.model_dump() if self.job else None}
        return {"site": self.site, "passed": self.passed, "checks": checks, "facts": facts}


def examine(
    site: Site, request: JobRequest, nodes_to_probe: int, root: Path, spec: StudySpec | None = None,
    wait: float = 600.0, say: Callable[[str], None] = lambda words: None,
) -> Diagnosis:  # fmt: skip
    """Examine a site.

    Args:
        site: The cluster.
        request: What a study's jobs would ask for.
        nodes_to_probe: How many nodes the doctor's own job has; no job if 0.
        root: The folder of studies.
        spec: A study whose data must be readable.
        wait: Seconds to wait for the job's start.
        say: Is told what goes on.
    """
    asked = Asked.of(site, request)
    data = None if spec is None else data_paths(dict(spec.data))
    say("looking at this host and at Slurm")
    try:
        with login_facts.own_folder(root) as folder:
            seen = login_facts.gather(root, folder, data)
            found = _probe(seen, site, request, nodes_to_probe, folder, data or [], wait, say)
    except OSError as error:
        seen = login_facts.gather(root, None, data)
        seen.studies.problem = seen.studies.problem or error.strerror or str(error)
        found = None
    groups = [Group("login node", login.judge(seen, asked))]
    if found is not None:
        groups.append(Group("nodes", nodes.judge(found, seen, asked)))
        if between_nodes := between.judge(found, asked):
            groups.append(Group("between nodes", between_nodes))
    return Diagnosis(site.name, groups, seen, found)


def _probe(
    seen: LoginFacts, site: Site, request: JobRequest, count: int, folder: Path, data: list[str], wait: float,
    say: Callable[[str], None],
) -> JobFacts | None:  # fmt: skip
    """Ask Slurm about both jobs, and run the doctor's own if it would be taken."""
    if seen.missing or seen.slurm_problem:
        return None
    seen.refused = login_facts.refusal(folder, site, request)
    if count == 0:
        return None
    return job.examine(folder, site, job.test_request(site, request, count), data, wait, say)
