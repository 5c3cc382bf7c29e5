"""Slurm's cgroups: named by node, so only one cluster of a machine can have them."""

from __future__ import annotations

import os
from pathlib import Path

from .system import until

CONTROLLERS = (Path("/sys/fs/cgroup/freezer"), Path("/sys/fs/cgroup/memory"))


def claim(run: Path) -> bool:
    """Take the cgroups for the cluster in this run folder, where the machine has them and no other cluster does."""
    if not all(_usable(controller) for controller in CONTROLLERS):
        return False
    owner = _owner(run)
    if owner.is_symlink() and not owner.exists():
        owner.unlink(missing_ok=True)
    try:
        owner.symlink_to(run)
    except FileExistsError:
        return False
    return True


def release(run: Path) -> None:
    """Remove the cgroups of the cluster in this run folder, if it had them; its processes must be dead."""
    owner = _owner(run)
    if not owner.is_symlink() or owner.readlink() != run:
        return
    until(_removed, 10)
    owner.unlink()


def _owner(run: Path) -> Path:
    return run.with_name("rh-slurm-cgroups")


def _usable(controller: Path) -> bool:
    probe = controller / f"rh-slurm-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _removed() -> bool:
    for controller in CONTROLLERS:
        for tree in controller.glob("slurm_jr*"):
            for folder, _, _ in os.walk(tree, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
    return True
