"""What file systems are and do, tried by doing it."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from raise_hpo.cluster.doctor.facts import Place, Unreadable

MEMORY = ("tmpfs", "ramfs", "devtmpfs", "rootfs")
NETWORK = (
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "afs", "panfs", "pvfs2", "wekafs", "dvs",
    "9p", "virtiofs", "fuse.sshfs", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.juicefs",
)  # fmt: skip
_HOSTS_OWN = ("/tmp", "/var/tmp", "/dev/shm", "/run")

_TRY_LOCK = """\
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        sys.exit(9)
"""
_KEPT_OUT = 9


def place(path: Path) -> Place:
    """A folder's file system, and whether something can be written there."""
    kind, mount = file_system(path)
    found = Place(path=str(path), kind=kind, mount=mount)
    try:
        free = os.statvfs(path)
        found.free = free.f_bavail * free.f_frsize
        found.inodes = free.f_favail if free.f_files else None
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(2**20))
            os.fsync(file.fileno())
    except OSError as error:
        found.problem = error.strerror or str(error)
    return found


def file_system(path: Path, mounts: str | None = None) -> tuple[str, str]:
    """The type of a path's file system and where it is mounted; empty where /proc/mounts does not tell.

    Args:
        path: Any path, which need not exist.
        mounts: The content of /proc/mounts.
    """
    try:
        table = Path("/proc/mounts").read_text() if mounts is None else mounts
    except OSError:
        return "", ""
    real = Path(os.path.realpath(path))
    best = ("", "")
    for line in table.splitlines():
        _, mount, kind, *_ = line.split(" ")
        mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), mount)
        # Of several on the same folder the last one is seen.
        if kind != "autofs" and real.is_relative_to(mount) and len(mount) >= len(best[1]):
            best = (kind, mount)
    return best


def is_hosts_own(place: Place) -> bool:
    """Whether a folder is most likely not shared between hosts: in memory, or in a folder that each host has."""
    if place.kind.startswith(NETWORK):
        return False
    if place.kind in MEMORY:
        return True
    below = tuple(f"{folder}/" for folder in _HOSTS_OWN)
    return place.mount in ("", "/", *_HOSTS_OWN) and f"{place.path}/".startswith(below)


@contextmanager
def held_lock(path: Path) -> Iterator[IO[Any]]:
    """A file that this process has locked as a study's driver locks its own."""
    with open(path, "a+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def is_kept_out(path: Path) -> bool:
    """Whether another process of this host, started for that, is kept out of a lock.

    Raises:
        OSError: Locks do not work here.
    """
    done = subprocess.run([sys.executable, "-c", _TRY_LOCK, str(path)], capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, _KEPT_OUT):
        raise OSError((done.stderr.strip().splitlines() or ["no lock can be had"])[-1])
    return done.returncode == _KEPT_OUT


def lock_problem(folder: Path) -> str:
    """Why locks of a folder do not keep a second process out; empty if they do."""
    path = folder / "lock"
    try:
        with held_lock(path):
            kept_out = is_kept_out(path)
        if not kept_out:
            return "two processes hold the same lock at once"
        return "a lock stays when its process lets go" if is_kept_out(path) else ""
    except OSError as error:
        return error.strerror or str(error)
    finally:
        path.unlink(missing_ok=True)


def rename_problem(folder: Path) -> str:
    """Why a file cannot be replaced by a new one at once; empty if it can."""
    old, new = folder / "replaced", folder / "replaced.part"
    try:
        old.write_text("old")
        new.write_text("new")
        os.replace(new, old)
        return "" if old.read_text() == "new" else "the old content is still there"
    except OSError as error:
        return error.strerror or str(error)
    finally:
        for path in (old, new):
            path.unlink(missing_ok=True)


def private_problem(folder: Path) -> str:
    """Why a file cannot be kept from others, as a token must be; empty if it can."""
    path = folder / "private"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        mode = path.stat().st_mode & 0o777
        return "" if mode == 0o600 else f"a file made with mode 600 has mode {mode:o}"
    except OSError as error:
        return error.strerror or str(error)
    finally:
        path.unlink(missing_ok=True)


def data_paths(data: Any) -> list[str]:
    """The absolute paths in a study's ``data`` section; patterns stay what they are."""
    if isinstance(data, dict):
        return [path for part in data.values() for path in data_paths(part)]
    if isinstance(data, list):
        return [path for part in data for path in data_paths(part)]
    text = data.removeprefix("file://") if isinstance(data, str) else ""
    return [text] if text.startswith("/") else []


def unreadable(paths: list[str]) -> list[Unreadable]:
    """Those of these paths that cannot be read here."""
    found = []
    for path in paths:
        there = sorted(glob.glob(path)) if glob.has_magic(path) else [path]
        if not there:
            found.append(Unreadable(path=path, problem="no file matches"))
            continue
        for one in there[:1] + there[-1:]:
            if problem := _reading(Path(one)):
                found.append(Unreadable(path=one, problem=problem))
                break
    return found


def _reading(path: Path) -> str:
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""
