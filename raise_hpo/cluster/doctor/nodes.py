"""Judges the doctor's job, and what each of its nodes found of itself."""

from __future__ import annotations

from collections.abc import Callable

from raise_hpo.cluster.doctor.check import Check, by_node, failed, ok, size, warning
from raise_hpo.cluster.doctor.disk import MEMORY, NETWORK
from raise_hpo.cluster.doctor.facts import Asked, JobFacts, LoginFacts, NodeFacts

Judge = Callable[[JobFacts, LoginFacts, Asked], Check]

_SMALL_SCRATCH, _TOO_SMALL_SCRATCH = 5 * 2**30, 2**29
_SMALL_SHM, _TOO_SMALL_SHM = 2**30, 2**27
_LITTLE_MEMORY = 4 * 2**30
_GPU_IN_USE = 2 * 2**30


def judge(job: JobFacts, login: LoginFacts, asked: Asked) -> list[Check]:
    """All checks of nodes by themselves; the job alone if it told nothing."""
    first = the_job(job, login, asked)
    if not job.reports:
        return [first]
    return [first, *(one(job, login, asked) for one in _JUDGES)]


def the_job(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The job was taken, began in time, and told what it found."""
    name = "Job"
    if job.refused:
        return failed(name, job.refused, "see the checks of the login node; the job asks for the same as a study's")
    if not job.began:
        when = job.expected.replace("T", " ")
        expected = f", Slurm expected its start at {when}" if when not in ("", "Unknown", "N/A") else ""
        return failed(
            name,
            f"job {job.job} did not start within {job.waited:.0f} s ({job.reason or job.state.lower()}){expected}; "
            "it is cancelled",
            "run this again when the queue is shorter, with a longer --wait, or with --partition or --qos for tests",
        )  # fmt: skip
    if not job.wrote:
        return failed(
            name,
            f"job {job.job} ended ({job.state}) and nothing of it is seen in {login.studies.path}: "
            "the nodes do not share that folder",
            "set RAISE_HPO_STUDIES to a folder on a file system that all nodes share",
        )  # fmt: skip
    silent = [node for node in job.nodes if node not in job.reports]
    if silent:
        said = job.last_words_of.get(silent[0]) or job.last_words or "they said nothing"
        return failed(
            name, f"no report from {', '.join(silent)}; the last words: {said}",
            "make sure that Python and raise-hpo are installed where all nodes see them, with the site's 'modules', "
            "and that the nodes share the studies folder",
        )  # fmt: skip
    broken = {node: report.stage for node, report in job.reports.items() if report.stage != "done"}
    if broken:
        node, stage = next(iter(broken.items()))
        said = job.last_words_of.get(node) or job.last_words or "it said nothing"
        return failed(
            name,
            f"job {job.job} ended ({job.state}) after {job.seconds:.0f} s, the probe of {node} last '{stage}': {said}",
            "see the checks below; if the job ran into its wall time, run this again",
        )  # fmt: skip
    return ok(
        name, f"job {job.job} on {', '.join(job.nodes)}: {job.waited:.0f} s in the queue, {job.seconds:.0f} s long"
    )


def second_step(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """A second step runs beside the first."""
    name = "Second step"
    if job.batch.overlap_seconds is None:
        return failed(
            name, f"srun --overlap did not run beside another step: {job.batch.overlap_problem or 'not within 60 s'}",
            "a study needs Ray's nodes and its driver in one job: ask the site to allow overlapping steps",
        )  # fmt: skip
    return ok(name, f"srun --overlap ran beside the first after {job.batch.overlap_seconds:.1f} s")


def signal(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The signal before the wall time reaches the batch script, and it alone."""
    name = "Signal USR1"
    if job.batch.usr1_seconds is None:
        return failed(
            name, f"it did not reach the batch script: {job.batch.usr1_problem or 'not within 10 s'}",
            "studies are not paused before the wall time and lose their last epochs: give 'budget' hours below it, and "
            "ask the site about --signal=B:USR1",
        )  # fmt: skip
    hit = [node for node, report in job.reports.items() if report.signalled]
    if hit:
        return warning(
            name, f"it also reached a step's process on {', '.join(hit)}",
            "raise-hpo's own processes ignore it; a script of your own that starts other steps must do so too",
        )  # fmt: skip
    return ok(name, f"reached the batch script alone, after {job.batch.usr1_seconds:.1f} s")


def versions(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """Python and packages are equal on all nodes, and on the login node."""
    name = "Versions"
    remedy = (
        "use one venv for all, by its full path, made with the software that the site's 'modules' load; for other "
        "nodes make another"
    )
    reference = job.reports[job.nodes[0]].versions if job.nodes and job.nodes[0] in job.reports else login.versions
    differing = [
        f"{package} ({by_node(found.items())})"
        for package in reference
        if len({*(found := {node: one.versions.get(package, "?") for node, one in job.reports.items()}).values()}) > 1
    ]
    if differing:
        return failed(name, f"differ between nodes: {'; '.join(differing)}", remedy)
    other = [
        f"{package} {login.versions.get(package, '?')} on the login node, {version} on the nodes"
        for package, version in reference.items()
        if login.versions.get(package) != version
    ]
    if other and not asked.python:
        return failed(name, "; ".join(other), remedy)
    if other:
        return warning(name, "; ".join(other), f"install the same versions where '{asked.python}' leads")
    most = ", ".join(f"{package} {reference.get(package, '?')}" for package in ("Python", "raise-hpo", "ray", "torch"))
    return ok(name, f"equal everywhere: {most}")


def address(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """Each node finds an address of its own, on the network that the site names."""
    name = "Address"
    missing = [(node, report.address_problem) for node, report in job.reports.items() if report.address_problem]
    if missing:
        return failed(name, by_node(missing), "correct the site's 'interface' or 'host_suffix'")
    slow = [
        (node, f"{node}{asked.host_suffix} is {', '.join(report.suffixed) or 'unknown'}, not one of its own")
        for node, report in job.reports.items()
        if asked.host_suffix and not asked.interface and report.address not in report.suffixed
    ]  # fmt: skip
    if slow:
        return warning(
            name, f"{by_node(slow)}: the ordinary network is used instead",
            "correct the site's 'host_suffix', or give the fast network's 'interface', which 'ip -4 address' tells",
        )  # fmt: skip
    return ok(name, by_node((node, _with_interface(report)) for node, report in job.reports.items()))


def _with_interface(report: NodeFacts) -> str:
    interface = next((name for name, one in report.own.items() if one == report.address), "?")
    return f"{report.address} ({interface})"


def scratch(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The scratch folder is there, local, large enough, and its path short enough for Ray's sockets."""
    name = "Scratch"
    remedy = "set the site's 'scratch' to a folder on each node's own disk or memory, with a short path such as /tmp"
    bad, small = [], []
    for node, report in job.reports.items():
        place, (length, longest) = report.scratch, report.temp_dir
        if place.problem:
            bad.append((node, f"{place.path} cannot be written to ({place.problem})"))
        elif place.kind.startswith(NETWORK):
            bad.append((node, f"{place.path} is not local but on {place.kind}"))
        elif length > longest:
            bad.append((node, f"Ray's folder in {place.path} has {length} characters, {longest} at the most"))
        elif place.free < _TOO_SMALL_SCRATCH:
            bad.append((node, f"{size(place.free)} free in {place.path}"))
        elif place.free < _SMALL_SCRATCH:
            small.append((node, f"{size(place.free)} free in {place.path}"))
    if bad:
        return failed(name, by_node(bad), remedy)
    if small:
        return warning(name, by_node(small), remedy)
    first = next(iter(job.reports.values())).scratch
    least = min(report.scratch.free for report in job.reports.values())
    where = "in memory" if first.kind in MEMORY else first.kind
    return ok(name, f"{first.path} ({where}), {size(least)} or more free")


def shared_memory(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """/dev/shm has room for Ray's object store, and for loaders of data."""
    name = "Shared memory"
    least = min(report.shm for report in job.reports.values())
    told = by_node((node, f"{size(report.shm)} free in /dev/shm") for node, report in job.reports.items())
    if least < _TOO_SMALL_SHM:
        return failed(
            name, told, "Ray needs /dev/shm: ask for more memory, or bind the host's /dev/shm into a container"
        )
    if least < _SMALL_SHM:
        return warning(
            name, told, "data loaders with several processes may fail: bind the host's /dev/shm into a container"
        )
    return ok(name, f"{size(least)} or more free in /dev/shm")


def cpus(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """Slurm gave the CPUs that were asked for, and processes may use them."""
    name = "CPUs"
    reports = job.reports.items()
    few = [(node, f"{one.cpus_given} given") for node, one in reports if asked.cpus and one.cpus_given < asked.cpus]
    if few:
        return failed(
            name, f"{asked.cpus} were asked for; {by_node(few)}",
            "correct the site's 'cpus', which counts threads where cores have two",
        )  # fmt: skip
    unused = [
        (node, f"{one.cpus_given} of the job's {one.cpus_job}")
        for node, one in reports
        if one.cpus_given < one.cpus_job
    ]
    if unused:
        return warning(
            name, f"a step is given {by_node(unused)}",
            f"set the site's 'cpus = {max(one.cpus_job for _, one in reports)}', or give --cpus",
        )  # fmt: skip
    bound = [
        (node, f"{one.cpus_given} given, processes may use {one.cpus_usable} of the node's {one.cpus_there}")
        for node, one in reports
        if one.cpus_usable < one.cpus_given
    ]
    if bound:
        return warning(
            name, by_node(bound),
            "trials compute more slowly than their number of CPUs promises: ask the site about the binding of tasks",
        )  # fmt: skip
    return ok(name, by_node((node, f"{one.cpus_given} given, the node has {one.cpus_there}") for node, one in reports))


def memory(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The job may use the nodes' memory."""
    name = "Memory"
    reports = job.reports.items()
    usable = {node: min(one.memory, one.memory_limit or one.memory) for node, one in reports}
    told = by_node((node, f"{size(usable[node])} of {size(one.memory)}") for node, one in reports)
    remedy = "set the site's 'memory' (--memory), to \"0\" for all of a node's"
    if min(usable.values()) < _LITTLE_MEMORY:
        return warning(name, told, remedy)
    if asked.exclusive and any(usable[node] < one.memory / 2 for node, one in reports):
        return warning(name, f"whole nodes are asked for, and the job may use {told}", remedy)
    return ok(name, told)


def gpus(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The GPUs that were asked for are there, and nobody else uses them."""
    name = "GPUs"
    reports = job.reports.items()
    if not asked.gpus:
        return ok(name, "none are asked for")
    few = [(node, f"{one.gpus_given} given") for node, one in reports if one.gpus_given < asked.gpus]
    if few:
        return failed(
            name, f"{asked.gpus} were asked for; {by_node(few)}",
            "correct the site's 'gpu_request', or set CUDA_VISIBLE_DEVICES in its 'env' as its documentation says",
        )  # fmt: skip
    if asked.gpu_vendor != "nvidia":
        return ok(name, f"{asked.gpus} a node")
    unseen = [
        (node, one.gpu_problem or f"{len(one.gpus)} seen by the driver, {one.gpus_given} given")
        for node, one in reports
        if one.gpu_problem or len(one.gpus) < one.gpus_given
    ]
    if unseen:
        return failed(
            name, by_node(unseen), "ask the site about these nodes; until then submit with --sbatch=--exclude=NODE"
        )
    used = [
        (node, f"{size(gpu.used)} of GPU {number} in use")
        for node, one in reports
        for number, gpu in enumerate(one.gpus)
        if gpu.used > _GPU_IN_USE
    ]
    if used:
        return warning(
            name, f"by others: {by_node(used)}", "ask for whole nodes ('exclusive = true'), or tell the site"
        )
    kinds = by_node((node, f"{one.gpus_given} {one.gpus[0].name}, {size(one.gpus[0].total)}") for node, one in reports)
    return ok(name, kinds)


def earlier_ray(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """No Ray of this user is at work there."""
    name = "Other Ray"
    found = [(node, ", ".join(one.ray_processes)) for node, one in job.reports.items() if one.ray_processes]
    if found:
        return warning(
            name, f"yours, at work already: {by_node(found)}", "end it if it is a leftover: ssh to the node, kill it"
        )
    return ok(name, "none at work")


def data(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """The study's data can be read on all nodes."""
    name = "Data"
    if login.data is None:
        return ok(name, "not looked at (--study names a study file)")
    found = [
        (node, f"{one.path}: {one.problem}") for node, report in job.reports.items() for one in report.unreadable[:1]
    ]
    if found:
        return failed(name, by_node(found), "copy the data to a file system that all nodes share, and correct 'data'")
    return ok(name, f"{login.data} path(s) can be read on all nodes")


def internet(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """Whether nodes reach the internet is as the site says."""
    name = "Internet"
    without = [node for node, report in job.reports.items() if not report.internet]
    if without and asked.internet:
        return warning(
            name, f"not reached from {', '.join(without)}, and the site says it is",
            "set the site's 'internet = false', or libraries may wait for minutes on newer models and data",
        )  # fmt: skip
    return ok(name, "not reached, and not needed" if without else "reached, and not needed")


def slurm_there(job: JobFacts, login: LoginFacts, asked: Asked) -> Check:
    """Slurm's commands work on the nodes, for chains and for lost heads."""
    name = "Slurm on nodes"
    control = [(node, one.scontrol_problem) for node, one in job.reports.items() if one.scontrol_problem]
    if control:
        return failed(
            name, by_node(control), "the job's nodes find each other by scontrol: ask the site to have it on the nodes"
        )
    submit = [(node, one.sbatch_problem) for node, one in job.reports.items() if one.sbatch_problem]
    if submit:
        return warning(
            name, by_node(submit),
            "set the site's 'submit_from_nodes = false': a study that loses its head is put back into the queue then",
        )  # fmt: skip
    return ok(name, "scontrol and sbatch work" if asked.submit_from_nodes else "scontrol works")


_JUDGES: tuple[Judge, ...] = (
    versions, address, scratch, shared_memory, cpus, memory, gpus, earlier_ray, data, internet, slurm_there,
    second_step, signal,
)  # fmt: skip
