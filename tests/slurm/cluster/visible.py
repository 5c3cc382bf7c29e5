"""What the hosts see of the machine's folders: a /tmp of their own, and still the checkout and its Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PRIVATE = {Path("/tmp"): "1777", Path("/var/tmp"): "1777", Path("/dev/shm"): "1777", Path("/run"): "755"}


def needed() -> set[Path]:
    """Folders of this machine that a job must find at the same place on each host."""
    named = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
    return named | {path.resolve() for path in named}


def views(paths: Iterable[Path]) -> tuple[dict[Path, str], list[Path]]:
    """Folders to hide, with the mode of what is there instead, and the paths that must be kept in them.

    A folder that only root may enter hides what is needed in it, for jobs are another user's: such a folder, root's
    home for one, is replaced by an empty one with just the needed paths in it.
    """
    hidden, kept = dict(PRIVATE), set()
    for path in paths:
        closed = [parent for parent in reversed(path.parents) if not _open(parent, 0o1)]
        hidden.update(dict.fromkeys(closed[:1], "755"))
        if _open(path, 0o5):
            kept.add(path)
        else:
            hidden[path] = "755"
            kept.update(path.iterdir())
    return {path: hidden[path] for path in _topmost(hidden)}, _topmost(kept)


def _open(path: Path, bits: int) -> bool:
    return path.stat().st_mode & bits == bits


def _topmost(paths: Iterable[Path]) -> list[Path]:
    given = set(paths)
    return sorted(path for path in given if not given & set(path.parents))


def write(run: Path) -> None:
    """Tell ``host.sh`` what to hide and what to keep."""
    hidden, kept = views(needed())
    (run / "hidden").write_text("".join(f"{mode} {path}\n" for path, mode in hidden.items()))
    (run / "kept").write_text("".join(f"{os.fspath(path)}\n" for path in kept))
