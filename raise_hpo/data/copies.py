"""One copy a node: the first process that needs a file makes it, the others wait for it and use the same one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def node_copy(cache: Path, key: Any, make: Callable[[Path], None], sound: Callable[[Path], bool] | None = None) -> Path:
    """A file or folder in a node's cache, made at its first use.

    Processes that map it into memory share one copy of it, however many they are.

    Args:
        cache: The cache's folder; `Place.cache` of a trainable.
        key: What the copy is made from, as plain data: other data have another copy.
        make: Writes the copy to the path that it is given. If it fails nothing is left, and the next one tries again.
        sound: Tells whether a copy that is there can be used; one that cannot is made anew. Any can if None.
    """
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]
    whole, part = cache / name, cache / f"{name}.part"
    with open(cache / f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists() or (sound and not sound(whole)):
            _remove(whole)
            _remove(part)
            try:
                make(part)
                os.replace(part, whole)
            finally:
                _remove(part)
    return whole


def _remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
