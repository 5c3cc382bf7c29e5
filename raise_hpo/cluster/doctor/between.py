"""Judges what the nodes of the doctor's job found of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raise_hpo.cluster.doctor.check import Check, by_node, failed, ok, size, warning
from raise_hpo.cluster.doctor.facts import Asked, JobFacts, Peer

Judge = Callable[[JobFacts, Asked], Check]

_SKEW = 1.0
_SLOW_FILE = 10.0
_SLOWEST = {"gloo": 0.05e9, "nccl": 1e9}
_RAY_SECONDS = 60.0


def judge(job: JobFacts, asked: Asked) -> list[Check]:
    """All checks between nodes, as far as the nodes have found each other; Ray's alone on one node."""
    if not job.reports:
        return []
    if len(job.nodes) == 1:
        return [ray(job, asked)]
    found = [shared_folder(job, asked)]
    if found[0].state == "failed":
        return found
    kinds: list[Judge] = [connections, locks, clocks, gloo, *([nccl] if asked.gpus else []), ray]
    return found + [one(job, asked) for one in kinds]


def shared_folder(job: JobFacts, asked: Asked) -> Check:
    """Each node saw the files of all others."""
    name = "Shared folder"
    alone = [
        (node, f"did not see what {', '.join(missing)} wrote")
        for node, report in job.reports.items()
        if (missing := [other for other in job.nodes if other not in report.met])
    ]
    if alone:
        return failed(
            name, by_node(alone),
            "set RAISE_HPO_STUDIES to a folder on a file system that all nodes share; if the nodes' probes broke down, "
            "mend that first",
        )  # fmt: skip
    unseen = [f"{node}'s by {peer}" for node, peer, one in _pairs(job) if not one.problem and one.file_seconds is None]
    if unseen:
        return failed(
            name, f"a new file was not seen within 30 s: {', '.join(unseen)}",
            "the file system shows changes too late: set RAISE_HPO_STUDIES to a folder on another",
        )  # fmt: skip
    slowest = max((one.file_seconds or 0.0 for _, _, one in _pairs(job)), default=0.0)
    if slowest > _SLOW_FILE:
        return warning(
            name, f"a new file is seen by other nodes after {slowest:.1f} s",
            "stops and resumes take that much longer; a folder on another file system may be faster",
        )  # fmt: skip
    return ok(name, f"a new file is seen by other nodes after {_time(slowest)}")


def connections(job: JobFacts, asked: Asked) -> Check:
    """Nodes reach each other on any port."""
    name = "TCP"
    bad = [f"{node} does not reach {peer} at {one.problem}" for node, peer, one in _pairs(job) if one.problem]
    if bad:
        return failed(
            name, "; ".join(bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""),
            "name a network on which nodes reach each other by the site's 'host_suffix' or 'interface'; Ray needs all "
            "ports above 1024 open between nodes",
        )  # fmt: skip
    return ok(name, f"{sum(1 for _ in _pairs(job))} connections on random ports, both ways")


def locks(job: JobFacts, asked: Asked) -> Check:
    """A lock held on one node keeps the others out."""
    name = "Locks between nodes"
    asked_of = [(node, peer, one.lock_excludes) for node, peer, one in _pairs(job) if one.lock_excludes is not None]
    both = [f"{node} and {peer}" for node, peer, excludes in asked_of if not excludes]
    if both:
        return failed(
            name, f"{', '.join(both)} hold the same lock at once",
            "two drivers could write to one study: set RAISE_HPO_STUDIES to a folder whose locks hold between nodes; "
            "on Lustre these need the mount option 'flock' rather than 'localflock'",
        )  # fmt: skip
    if not asked_of:
        return warning(name, "not tried, as nodes do not reach each other", "mend TCP first, then run this again")
    return ok(name, "a lock on one node keeps the others out")


def clocks(job: JobFacts, asked: Asked) -> Check:
    """Clocks agree to a second."""
    name = "Clocks"
    skews = [(node, peer, one.ahead) for node, peer, one in _pairs(job) if one.ahead is not None]
    if not skews:
        return warning(name, "not compared, as nodes do not reach each other", "mend TCP first, then run this again")
    node, peer, most = max(skews, key=lambda skew: abs(skew[2]))
    if abs(most) > _SKEW:
        return warning(
            name, f"that of {peer} is {abs(most):.1f} s {'ahead of' if most > 0 else 'behind'} that of {node}",
            "times in journals and logs are wrong by that much: ask the site to have its clocks set (NTP)",
        )  # fmt: skip
    return ok(name, f"differ by {_time(abs(most))} at the most")


def gloo(job: JobFacts, asked: Asked) -> Check:
    """Workers on CPUs add up their gradients."""
    return _reduced(
        job, "gloo", "All-reduce, gloo",
        "set GLOO_SOCKET_IFNAME in the site's 'env' to the interface of a network on which nodes reach each other",
    )  # fmt: skip


def nccl(job: JobFacts, asked: Asked) -> Check:
    """Workers on GPUs add up their gradients, here those on each node's first GPU."""
    return _reduced(
        job, "nccl", "All-reduce, NCCL",
        "set NCCL_SOCKET_IFNAME in the site's 'env' to the fast network's interface; NCCL_DEBUG=INFO tells what it "
        "uses; where torch sees no GPU, install its build for GPUs",
    )  # fmt: skip


def _reduced(job: JobFacts, backend: str, name: str, remedy: str) -> Check:
    found = {node: report.reduced[backend] for node, report in job.reports.items() if backend in report.reduced}
    bad = [(node, one.problem) for node, one in found.items() if one.problem]
    if bad:
        return failed(name, by_node(bad), remedy)
    if len(found) < len(job.nodes):
        return warning(name, "not tried on all nodes", "mend what failed above first, then run this again")
    sizes = sorted({length for one in found.values() for length in one.seconds})
    slowest = {length: max(one.seconds.get(length, 0.0) for one in found.values()) for length in sizes}
    rates = [(length, length / slowest[length]) for length in sizes]
    told = ", ".join(f"{rate / 1e9:.2g} GB/s for {size(length)}" for length, rate in rates)
    told = f"{told} between {len(found)} nodes (algorithm bandwidth)"
    if rates and rates[-1][1] < _SLOWEST[backend]:
        return warning(name, f"only {told}", remedy)
    return ok(name, told)


def ray(job: JobFacts, asked: Asked) -> Check:
    """Ray's head and workers come up within a minute."""
    name = "Ray"
    told = next((report.ray for report in job.reports.values() if report.ray is not None), None)
    if told is None:
        return warning(name, "not tried", "mend what failed above first, then run this again")
    if told.problem:
        return failed(
            name, told.problem, "mend what is told there; a study would begin without such nodes or not at all"
        )
    seconds = told.joined_seconds or 0.0
    words = f"head up after {told.head_seconds or 0.0:.0f} s, all {len(told.joined)} node(s) after {seconds:.0f} s"
    if seconds > _RAY_SECONDS:
        return warning(
            name, words,
            "Python is slow to start from this file system: install raise-hpo on a faster one; submit with a longer "
            "--join-seconds",
        )  # fmt: skip
    return ok(name, f"{words}, with a token")


def _pairs(job: JobFacts) -> Iterator[tuple[str, str, Peer]]:
    """Each node with each other one that it asked, and what it found."""
    for node, report in job.reports.items():
        for peer, found in report.peers.items():
            yield node, peer, found


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
