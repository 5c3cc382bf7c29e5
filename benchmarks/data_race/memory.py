"""What a process holds in memory."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_bytes() -> int:
    """The most memory that this process ever held (resident set)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def mapped_bytes(folder: str) -> int:
    """What this process holds of mapped files under a folder: its share (PSS) of pages that others hold too."""
    held, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        key, _, value = line.partition(":")
        if "-" in line.split(" ")[0]:
            inside = folder in line
        elif inside and key == "Pss":
            held += int(value.split()[0]) * 1024
    return held
