"""Judges what was seen on a login node."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from raise_hpo.cluster.doctor.check import Check, failed, ok, size, warning
from raise_hpo.cluster.doctor.disk import is_hosts_own
from raise_hpo.cluster.doctor.facts import Asked, LoginFacts, NodeKind
from raise_hpo.cluster.script import parse_time, wall_time
from raise_hpo.errors import UserError, nearest

Judge = Callable[[LoginFacts, Asked], Check]

_OLDEST_SLURM = (20, 11)
_SHORTEST_KILL_WAIT = 5
_LONGEST_SLURMD_TIMEOUT = 600
_LITTLE, _TOO_LITTLE = 10 * 2**30, 2**29
_FEW_FILES = 20_000


def judge(facts: LoginFacts, asked: Asked) -> list[Check]:
    """All checks of a login node, as far as Slurm answers and knows the partition."""
    judges: list[Judge] = [commands]
    if not facts.missing and not facts.slurm_problem:
        judges += [host, partition, *(_OF_PARTITION if _partitions(facts, asked) else ()), *_OF_SLURM]
    return [one(facts, asked) for one in [*judges, *_OF_FOLDERS]]


def commands(facts: LoginFacts, asked: Asked) -> Check:
    """Slurm's commands are there and answer; theirs is a version that lets steps overlap."""
    name = "Slurm's commands"
    if facts.missing:
        return failed(
            name, f"{', '.join(facts.missing)} not found on {facts.host}",
            "run this on a login node of the cluster, or load the module that has Slurm's commands",
        )  # fmt: skip
    if facts.slurm_problem:
        return failed(name, facts.slurm_problem, "try again later; if it lasts, ask the site whether Slurm is up")
    version = re.search(r"(\d+)\.(\d+)", facts.slurm_version)
    if version and (int(version[1]), int(version[2])) < _OLDEST_SLURM:
        return failed(
            name, facts.slurm_version,
            "Slurm 20.11 or newer is needed, for steps that share a node (srun --overlap)",
        )  # fmt: skip
    return ok(name, facts.slurm_version)


def host(facts: LoginFacts, asked: Asked) -> Check:
    """Jobs are submitted from where the site says."""
    name = "This host"
    if asked.submit_hosts and not fnmatch.fnmatch(facts.host, asked.submit_hosts):
        return failed(
            name, f"{facts.host}, and jobs for {asked.site} are submitted from {asked.submit_hosts}",
            f"log in to {asked.submit_hosts}, or choose the --site that this host belongs to",
        )  # fmt: skip
    return ok(name, facts.host)


def partition(facts: LoginFacts, asked: Asked) -> Check:
    """The partition exists and is up; without one, there is a default."""
    name = "Partition"
    known = sorted(facts.partitions)
    if asked.partition is None:
        default = _partitions(facts, asked)
        if not default:
            return failed(name, "the cluster has no default", f"give --partition; valid: {', '.join(known)}")
        return ok(name, f"{next(iter(default))}, the default")
    unknown = [one for one in asked.partition.split(",") if one not in facts.partitions]
    if unknown:
        return failed(
            name, f"'{unknown[0]}' is unknown to Slurm",
            f"{nearest(unknown[0], known)}; give --partition, or 'partition' in a site file of your own",
        )  # fmt: skip
    down = [one for one, fields in _partitions(facts, asked).items() if fields.get("State", "UP") != "UP"]
    if down:
        return failed(
            name, f"{down[0]} is {facts.partitions[down[0]]['State'].lower()}", "wait until the site opens it again"
        )
    return ok(name, asked.partition)


def time_limit(facts: LoginFacts, asked: Asked) -> Check:
    """The wall time is within the partition's."""
    name = "Wall time"
    limits = [hours for fields in _partitions(facts, asked).values() if (hours := _hours(fields.get("MaxTime", "")))]
    limit = min(limits, default=None)
    if limit is not None and asked.hours > limit + 1e-6:
        return failed(
            name, f"{wall_time(asked.hours)} is asked for, and the partition allows {wall_time(limit)}",
            f"give --time {wall_time(limit)} or less, and --chain when you submit; set the site's 'max_hours'",
        )  # fmt: skip
    return ok(name, f"{wall_time(asked.hours)} of {wall_time(limit) if limit else 'any time'}")


def node_count(facts: LoginFacts, asked: Asked) -> Check:
    """The nodes are within the partition's limit and number."""
    name = "Nodes"
    there, limits = 0, []
    for fields in _partitions(facts, asked).values():
        there += int(fields.get("TotalNodes", "0") or 0)
        limits += [int(fields["MaxNodes"])] if fields.get("MaxNodes", "").isdecimal() else []
    if limits and asked.nodes > min(limits):
        return failed(
            name, f"{asked.nodes} are asked for, and the partition allows {min(limits)} a job",
            f"give --nodes {min(limits)} or fewer",
        )  # fmt: skip
    if there and asked.nodes > there:
        return failed(name, f"{asked.nodes} are asked for, and the partition has {there}", f"give --nodes {there}")
    return ok(name, f"{asked.nodes} of {min([*limits, there])}")


def account(facts: LoginFacts, asked: Asked) -> Check:
    """The account is one of the user's, and the partition takes it."""
    name = "Account"
    mine = facts.accounts or []
    if asked.account is None:
        if asked.account_needed:
            yours = f"; yours: {', '.join(mine)}" if mine else ""
            return failed(
                name, f"none is given, and {asked.site} bills each job to one",
                f"give --account, or 'account' in a site file of your own{yours}",
            )  # fmt: skip
        return ok(name, "none is asked for")
    if mine and asked.account.lower() not in [one.lower() for one in mine]:
        return failed(name, f"'{asked.account}' is not one of yours", f"give --account; {nearest(asked.account, mine)}")
    for one, fields in _partitions(facts, asked).items():
        allowed = fields.get("AllowAccounts", "ALL")
        denied = fields.get("DenyAccounts", "").split(",")
        if (allowed not in ("ALL", "") and asked.account not in allowed.split(",")) or asked.account in denied:
            valid = f"it takes {allowed}" if allowed not in ("ALL", "") else "it takes others"
            return failed(
                name, f"partition {one} does not take '{asked.account}'",
                f"{valid}; give another --account or --partition",
            )  # fmt: skip
    if facts.accounts is None and facts.config.get("AccountingStorageType", "").endswith("none"):
        return ok(name, f"{asked.account}; this Slurm has no accounts and takes any")
    return ok(name, asked.account if mine else f"{asked.account}; Slurm does not tell which are yours")


def quality(facts: LoginFacts, asked: Asked) -> Check:
    """The quality of service exists, and the partition takes it."""
    name = "Quality of service"
    if asked.qos is None:
        return ok(name, "none is asked for")
    if facts.qos is not None and asked.qos not in facts.qos:
        return failed(name, f"'{asked.qos}' is unknown to Slurm", f"give --qos; {nearest(asked.qos, facts.qos)}")
    for one, fields in _partitions(facts, asked).items():
        allowed = fields.get("AllowQos", "ALL")
        if allowed not in ("ALL", "") and asked.qos not in allowed.split(","):
            return failed(
                name, f"partition {one} does not take '{asked.qos}'",
                f"it takes {allowed}; give another --qos or --partition",
            )  # fmt: skip
    return ok(name, asked.qos)


def constraint(facts: LoginFacts, asked: Asked) -> Check:
    """Some nodes of the partition have the features that are asked for."""
    name = "Constraint"
    if asked.constraint is None:
        return ok(name, "none is asked for")
    kinds = _kinds(facts, asked)
    known = sorted({feature for kind in kinds for feature in kind.features})
    words = re.findall(r"[^&|!*()\[\],\s\d][^&|!*()\[\],\s]*", asked.constraint)
    unknown = [word for word in words if word not in known]
    if kinds and unknown:
        return failed(
            name, f"no node has the feature '{unknown[0]}'",
            f"correct the site's 'constraint'; {nearest(unknown[0], known)}",
        )  # fmt: skip
    return ok(name, asked.constraint)


def gpus(facts: LoginFacts, asked: Asked) -> Check:
    """The partition's nodes have the GPUs, as Slurm counts them."""
    name = "GPUs in Slurm"
    counts = [_gpus_of(kind) for kind in _kinds(facts, asked)]
    most = max(counts, default=0)
    if asked.gpus > most:
        has = f"the partition's nodes have {most}" if most else "the partition's nodes have none that Slurm knows"
        return failed(
            name, f"{asked.gpus} a node are asked for, and {has}",
            f"give --gpus {most}, another --partition, or correct the site's 'gpus'",
        )  # fmt: skip
    if not asked.gpus and most:
        return warning(
            name, f"none are asked for, and the partition's nodes have {most}",
            f"give --gpus {most}, or 'gpus = {most}' in a site file of your own",
        )  # fmt: skip
    return ok(name, f"{asked.gpus} a node of {most}" if asked.gpus else "none are asked for")


def cpus(facts: LoginFacts, asked: Asked) -> Check:
    """The partition's nodes have the CPUs."""
    name = "CPUs in Slurm"
    kinds = _kinds(facts, asked)
    most = max((kind.cpus for kind in kinds), default=0)
    if asked.cpus and most and asked.cpus > most:
        return failed(
            name, f"{asked.cpus} a node are asked for, and the partition's nodes have {most}",
            f"give --cpus {most}, or correct the site's 'cpus'",
        )  # fmt: skip
    if asked.cpus is None:
        whole = {fields.get("OverSubscribe", "NO") for fields in _partitions(facts, asked).values()} == {"EXCLUSIVE"}
        if not (whole or asked.exclusive):
            return warning(
                name, f"no number is asked for, so a job gets 1 of {most}",
                f"give --cpus, or 'cpus = {most}' in a site file of your own",
            )  # fmt: skip
        return ok(name, f"whole nodes, {most}")
    return ok(name, f"{asked.cpus} a node of {most}")


def test_only(facts: LoginFacts, asked: Asked) -> Check:
    """Slurm would take a study's batch script."""
    name = "sbatch --test-only"
    if facts.refused:
        return failed(
            name, facts.refused,
            "see the checks above; 'raise-hpo submit STUDY --dry-run' prints the script that is refused",
        )  # fmt: skip
    return ok(name, "a study's job would be taken")


def ending(facts: LoginFacts, asked: Asked) -> Check:
    """Processes have a few seconds to end."""
    name = "Ending of jobs"
    wait = _number(facts.config.get("KillWait"))
    told = f"KillWait {wait} s, KillOnBadExit {facts.config.get('KillOnBadExit', '?')}"
    if wait is not None and wait < _SHORTEST_KILL_WAIT:
        return warning(
            name, f"{told}: processes are killed {wait} s after they were asked to end",
            "end studies by 'raise-hpo stop' rather than by scancel, so that Ray can tidy up on the nodes",
        )  # fmt: skip
    return ok(name, told)


def preemption(facts: LoginFacts, asked: Asked) -> Check:
    """Whether jobs may be taken off their nodes for others."""
    name = "Preemption"
    general = facts.config.get("PreemptMode", "OFF")
    modes = {one: fields.get("PreemptMode", general) for one, fields in _partitions(facts, asked).items()}
    taken = {one: mode for one, mode in modes.items() if "OFF" not in mode}
    if general == "OFF" or not taken:
        return ok(name, "jobs are not taken off their nodes")
    one, mode = next(iter(taken.items()))
    grace = _number(facts.partitions[one].get("GraceTime")) or 0
    told = f"jobs in {one} may be taken off their nodes after {grace} s (PreemptMode {mode})"
    if "REQUEUE" in mode and asked.requeue and grace:
        return ok(name, f"{told} and go on later")
    if "REQUEUE" in mode and not asked.requeue:
        return warning(
            name, told, "set the site's 'requeue = true', or studies end there until they are submitted again"
        )
    return warning(
        name, told,
        "an epoch since the last checkpoint may be lost, and no job follows by itself: submit with --chain 2 or more"
        if "REQUEUE" not in mode
        else "epochs since the last checkpoint are trained again; choose another --partition or --qos to avoid that",
    )  # fmt: skip


def lost_nodes(facts: LoginFacts, asked: Asked) -> Check:
    """Slurm notices lost nodes."""
    name = "Lost nodes"
    timeout = _number(facts.config.get("SlurmdTimeout"))
    if timeout is None or 0 < timeout <= _LONGEST_SLURMD_TIMEOUT:
        return ok(name, f"noticed by Slurm after {timeout} s" if timeout else "SlurmdTimeout is not told")
    when = f"only after {timeout} s" if timeout else "never"
    return warning(
        name, f"noticed by Slurm {when} (SlurmdTimeout)",
        "studies go on without a lost node, but it is billed until then; 'raise-hpo status' shows which nodes are up",
    )  # fmt: skip


def python(facts: LoginFacts, asked: Asked) -> Check:
    """Python and raise-hpo are not in a folder of this host alone."""
    name = "Python"
    if asked.python:
        return ok(name, f"{asked.python}, as the site says")
    own = [place for place in (facts.python, facts.package) if is_hosts_own(place)]
    if own:
        return failed(
            name, f"{own[0].path} is this host's own ({own[0].kind or 'a temporary folder'})",
            "install raise-hpo into a venv on a file system that all nodes share, such as your home or project folder",
        )  # fmt: skip
    return ok(name, f"{facts.versions.get('Python', '')} in {facts.python.path} ({facts.python.kind})")


def leftovers(facts: LoginFacts, asked: Asked) -> Check:
    """Nothing of an earlier Ray is set."""
    name = "Leftovers of Ray"
    if not facts.leftovers:
        return ok(name, "none")
    return warning(
        name, " and ".join(facts.leftovers),
        "raise-hpo's own jobs are not misled, but a Ray that you start yourself is: unset the variable or remove the "
        "file",
    )  # fmt: skip


def studies(facts: LoginFacts, asked: Asked) -> Check:
    """Studies can be written, where nodes may see them."""
    name = "Studies folder"
    place = facts.studies
    elsewhere = "set RAISE_HPO_STUDIES to a folder on a file system that all nodes share"
    if place.problem:
        return failed(name, f"{place.path} cannot be written to ({place.problem})", elsewhere)
    if is_hosts_own(place):
        return failed(name, f"{place.path} is this host's own ({place.kind})", elsewhere)
    return ok(name, f"{place.path} ({place.kind})")


def locks(facts: LoginFacts, asked: Asked) -> Check:
    """Locks keep a second process out."""
    name = "Locks"
    if facts.lock_problem:
        return failed(
            name, f"{facts.lock_problem}, in {facts.studies.path}",
            "set RAISE_HPO_STUDIES to a folder with POSIX locks; on Lustre these need the mount option 'flock'",
        )  # fmt: skip
    return ok(name, "a second process is kept out")


def files(facts: LoginFacts, asked: Asked) -> Check:
    """Files can be replaced at once, and kept from others."""
    name = "Files"
    problem = facts.rename_problem or facts.private_problem
    if problem:
        return failed(
            name, f"{problem}, in {facts.studies.path}",
            "set RAISE_HPO_STUDIES to a folder of your own whose file system has POSIX permissions",
        )  # fmt: skip
    return ok(name, "replaced at once; tokens can be kept from others")


def space(facts: LoginFacts, asked: Asked) -> Check:
    """There is room for a study."""
    name = "Space"
    place = facts.studies
    told = size(place.free) + ("" if place.inodes is None else f" and {place.inodes} files") + " free"
    remedy = "remove old studies, or set RAISE_HPO_STUDIES to a folder with more room"
    if facts.over_quota:
        return warning(name, f"over quota: {facts.over_quota[0]}", remedy)
    if place.free < _TOO_LITTLE or place.inodes == 0:
        return failed(name, told, remedy)
    if place.free < _LITTLE or (place.inodes is not None and place.inodes < _FEW_FILES):
        return warning(name, told, remedy)
    return ok(name, told)


def data(facts: LoginFacts, asked: Asked) -> Check:
    """The study's data can be read."""
    name = "Data"
    if facts.data is None:
        return ok(name, "not looked at (--study names a study file)")
    if facts.unreadable:
        first = facts.unreadable[0]
        return failed(
            name, f"{first.path}: {first.problem}", "correct 'data' in the study file, or copy the data there"
        )
    return ok(name, f"{facts.data} path(s) can be read")


_OF_PARTITION: tuple[Judge, ...] = (time_limit, node_count, constraint, gpus, cpus, preemption)
_OF_SLURM: tuple[Judge, ...] = (account, quality, test_only, ending, lost_nodes)
_OF_FOLDERS: tuple[Judge, ...] = (python, leftovers, studies, locks, files, space, data)


def _partitions(facts: LoginFacts, asked: Asked) -> dict[str, dict[str, str]]:
    """Those that a job may run in: the ones asked for as far as they exist, or the default."""
    if asked.partition is not None:
        return {one: facts.partitions[one] for one in asked.partition.split(",") if one in facts.partitions}
    return {one: fields for one, fields in facts.partitions.items() if fields.get("Default") == "YES"}


def _kinds(facts: LoginFacts, asked: Asked) -> list[NodeKind]:
    return [kind for kind in facts.node_kinds if kind.partition in _partitions(facts, asked)]


def _gpus_of(kind: NodeKind) -> int:
    """Of ``gpu:a100:4(S:0-1)``, or of ``gpu:a100:2,gpu:h100:2``."""
    return sum(int(count) for count in re.findall(r"\bgpu(?::[^:,(]+)?:(\d+)", kind.gres))


def _hours(text: str) -> float | None:
    try:
        return parse_time(text)
    except UserError:
        return None


def _number(text: str | None) -> int | None:
    match = re.match(r"\d+", text or "")
    return int(match[0]) if match else None
