"""What the machine must have: root's rights, namespaces, Slurm's packages; and locks that die with their owner."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGE_OF = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "munged": "munge",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
NAMESPACES = ("--net", "--pid", "--mount", "--uts", "--ipc")
POLICY = Path("/usr/sbin/policy-rc.d")


class Unavailable(Exception):
    """This machine can't have a Slurm cluster; the message says why."""


def install() -> None:
    """Install what is missing; no daemon of the packages starts by itself."""
    if os.geteuid() != 0:
        raise Unavailable("it needs root, for namespaces and for users of its own")
    with waiting_for("install"):
        missing = {package for tool, package in PACKAGE_OF.items() if not shutil.which(tool, path=PATH)}
        if missing:
            _apt_install(sorted(missing))
    _check_namespaces()


def _apt_install(packages: list[str]) -> None:
    if not shutil.which("apt-get", path=PATH):
        raise Unavailable(f"{', '.join(packages)} missing, and no apt-get to install them")
    environment = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", **_proxies()}
    install = ["install", "-y", "-q", "--no-install-recommends", *packages]
    with _no_daemons():
        for arguments in (["update", "-q"], install):
            command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise Unavailable(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Forbid packages to start daemons, as images of containers do already."""
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if made:
            POLICY.unlink()


def _check_namespaces() -> None:
    command = ["unshare", *NAMESPACES, "--fork", "mount", "-t", "proc", "proc", "/proc"]
    tried = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True)
    if tried.returncode:
        raise Unavailable(f"no namespaces: {tried.stderr.strip()}")


def lock(name: str) -> socket.socket | None:
    """Take a lock of the machine, or nothing when another process has it; it is free when closed, or its owner dead."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0raise-hpo-slurm-{name}")
    except OSError:
        held.close()
        return None
    return held


@contextmanager
def waiting_for(name: str) -> Iterator[None]:
    """Hold a lock, after its present owner."""
    held = until(lambda: lock(name), 300)
    if held is None:
        raise Unavailable(f"another process holds the lock {name!r} for five minutes")
    with held:
        yield


def until(look: Callable[[], T], timeout: float, pause: float = 0.3) -> T:
    """Look again and again until something is there; after the timeout, whatever was seen last."""
    deadline = time.monotonic() + timeout
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(pause)
    return seen
