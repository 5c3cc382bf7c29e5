"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One row of the doctor's table.

    Attributes:
        name: What was looked at.
        state: ``ok``, ``warning`` (studies run, with the drawback that is told) or ``failed`` (they will not).
        finding: What was found.
        remedy: What to do about it; empty if all is well.
    """

    name: str
    state: State
    finding: str
    remedy: str = ""


def ok(name: str, finding: str) -> Check:
    """All is well."""
    return Check(name, "ok", finding)


def warning(name: str, finding: str, remedy: str) -> Check:
    """Studies run, with a drawback."""
    return Check(name, "warning", finding, remedy)


def failed(name: str, finding: str, remedy: str) -> Check:
    """Studies will not run."""
    return Check(name, "failed", finding, remedy)


def by_node(found: Iterable[tuple[str, str]]) -> str:
    """Findings with their nodes, equal ones together: ``jrc0001, jrc0002: 16 CPUs; jrc0003: 8 CPUs``.

    Args:
        found: Pairs of a node and what was found there.
    """
    nodes: dict[str, list[str]] = {}
    for node, finding in found:
        nodes.setdefault(finding, []).append(node)
    return "; ".join(f"{_several(names)}: {finding}" for finding, names in nodes.items())


def _several(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def size(count: float) -> str:
    """Bytes in words: ``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}" if count < 1000 else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.3g} TiB" if count < 1000 else f"{count:.0f} TiB"
