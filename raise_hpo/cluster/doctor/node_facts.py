"""Gathers what a compute node shows of itself, inside a job."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from pathlib import Path

from raise_hpo.cluster import slurm
from raise_hpo.cluster.address import node_address, own_addresses, resolved
from raise_hpo.cluster.doctor import disk
from raise_hpo.cluster.doctor.facts import Gpu, NodeFacts
from raise_hpo.cluster.doctor.versions import versions
from raise_hpo.cluster.job import Setting, node_name
from raise_hpo.cluster.node import LONGEST_TEMP_DIR, node_cpus, node_gpus
from raise_hpo.drive.cluster import PREFIX
from raise_hpo.errors import UserError

_OUTSIDE = ("pypi.org", "github.com")
_OUTSIDE_SECONDS = 3.0
_RAYS_OWN = ("raylet", "gcs_server")
_NO_LIMIT = 2**50
_RANDOM = "x" * 8


def gather(setting: Setting, data: list[str]) -> NodeFacts:
    """What this node shows, without asking other nodes.

    Args:
        setting: What the batch script exported.
        data: The paths of the study's data.
    """
    import psutil

    name = node_name()
    facts = NodeFacts(
        node=name, versions=versions(), own=own_addresses(), shm=_free("/dev/shm"),
        cpus_given=node_cpus(), cpus_job=_first_number(os.environ.get("SLURM_JOB_CPUS_PER_NODE", "")),
        cpus_usable=len(os.sched_getaffinity(0)), cpus_there=os.cpu_count() or 0,
        gpus_given=node_gpus(), memory=psutil.virtual_memory().total, memory_limit=_memory_limit(),
        ray_processes=_ray_processes(), unreadable=disk.unreadable(data), internet=_reaches_outside(),
    )  # fmt: skip
    _find_address(facts, setting)
    _look_at_scratch(facts, setting)
    if facts.gpus_given:
        _ask_driver(facts)
    facts.scontrol_problem = _trouble("scontrol", "-o", "show", "job", setting.job)
    if setting.submit_from_nodes:
        facts.sbatch_problem = _trouble("sbatch", "--test-only", setting.script)
    return facts


def _first_number(text: str) -> int:
    """Of ``16(x2),8``, which Slurm says of a job's nodes in their order; the first stands for all."""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def _find_address(facts: NodeFacts, setting: Setting) -> None:
    try:
        facts.address = node_address(facts.node, setting.host_suffix, setting.interface)
    except UserError as error:
        facts.address_problem = str(error)
    if setting.host_suffix:
        facts.suffixed = sorted(resolved(facts.node + setting.host_suffix))


def _look_at_scratch(facts: NodeFacts, setting: Setting) -> None:
    folder = Path(os.path.expandvars(setting.scratch))
    facts.scratch = disk.place(folder)
    # As `RayNode` makes it: a folder of the job's own and one in it for Ray, both with a random part.
    session = folder / f"{PREFIX}{setting.job}-{_RANDOM}" / f"r{_RANDOM}"
    facts.temp_dir = (len(os.fsencode(session)), LONGEST_TEMP_DIR)


def _free(folder: str) -> int:
    try:
        free = os.statvfs(folder)
    except OSError:
        return 0
    return free.f_bavail * free.f_frsize


def _memory_limit() -> int | None:
    """The least limit of this process's memory control groups, of either version."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    found = []
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            found += _limits(Path("/sys/fs/cgroup/memory"), path, "memory.limit_in_bytes")
        elif not controllers:
            found += _limits(Path("/sys/fs/cgroup"), path, "memory.max")
    return min(found, default=None)


def _limits(root: Path, path: str, file: str) -> list[int]:
    here = root / path.strip("/")
    found = []
    for folder in (here, *here.parents):
        if not folder.is_relative_to(root):
            break
        try:
            text = (folder / file).read_text().strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < _NO_LIMIT:
            found.append(int(text))
    return found


def _ray_processes() -> list[str]:
    import psutil

    found = []
    for process in psutil.process_iter(["name", "uids", "pid"]):
        uids = process.info["uids"]
        if process.info["name"] in _RAYS_OWN and uids and uids.real == os.getuid():
            found.append(f"{process.info['name']} {process.info['pid']}")
    return found


def _reaches_outside() -> bool:
    """Whether a host on the internet takes a connection, of those that are tried at once."""
    reached = threading.Event()

    def reach(host: str) -> None:
        with contextlib.suppress(OSError), socket.create_connection((host, 443), timeout=_OUTSIDE_SECONDS):
            reached.set()

    for host in _OUTSIDE:
        # To look up a name may take far longer than the timeout where there is no server for it.
        threading.Thread(target=reach, args=(host,), daemon=True).start()
    return reached.wait(_OUTSIDE_SECONDS)


def _ask_driver(facts: NodeFacts) -> None:
    import pynvml

    try:
        pynvml.nvmlInit()
        for number in _visible(int(pynvml.nvmlDeviceGetCount())):
            device = pynvml.nvmlDeviceGetHandleByIndex(number)
            memory = pynvml.nvmlDeviceGetMemoryInfo(device)
            name = pynvml.nvmlDeviceGetName(device)
            facts.gpus.append(Gpu(name=str(name), total=int(memory.total), used=int(memory.used)))
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        facts.gpu_problem = str(error)


def _visible(count: int) -> list[int]:
    """The GPUs that the job may use, where it is told by their numbers; all otherwise."""
    told = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    known = [int(part) for part in told if part.isdecimal() and int(part) < count]
    return known if known and len(known) == len(told) else list(range(count))


def _trouble(*command: str) -> str:
    try:
        slurm.run(*command)
    except UserError as error:
        return str(error)
    return ""
