"""How the slots of a cluster are shared by the studies that run on it.

The rule is `shares`, a pure function; `Shares` keeps what each study has asked for last and applies it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

FORGOTTEN_SECONDS = 15.0
"""A study that has not asked for so long has ended, and its slots go to the others."""


def shares(total: int, demands: Mapping[str, int], priorities: Mapping[str, float]) -> dict[str, int]:
    """Share out slots: in proportion to the studies' priorities, and to none more than it can use.

    What a study cannot use goes to the others. Every study gets one slot as long as there are slots, the ones of the
    highest priority first. Fractions are rounded by the largest remainder.

    Args:
        total: The slots there are.
        demands: How many slots each study could use.
        priorities: Each study's priority, above 0.
    """
    asking = sorted((study for study, demand in demands.items() if demand > 0), key=lambda study: -priorities[study])
    given = dict.fromkeys(demands, 0)
    if len(asking) >= total:
        return given | dict.fromkeys(asking[: max(0, total)], 1)
    quotas = _quotas(min(total, sum(demands[study] for study in asking)), {s: demands[s] for s in asking}, priorities)
    given |= {study: math.floor(quota) for study, quota in quotas.items()}
    left = sum(quotas.values()) - sum(given.values())
    by_remainder = sorted(asking, key=lambda study: math.floor(quotas[study]) - quotas[study])
    return given | {study: given[study] + 1 for study in by_remainder[: int(left)]}


def _quotas(total: int, demands: Mapping[str, int], priorities: Mapping[str, float]) -> dict[str, Fraction]:
    """Exact shares, each between 1 and its demand and else in proportion to its priority, that add up to the total."""
    weights = {study: Fraction(priorities[study]) for study in demands}

    def at(level: Fraction) -> dict[str, Fraction]:
        return {s: min(max(level * weights[s], Fraction(1)), Fraction(demands[s])) for s in demands}

    def filled(level: Fraction) -> Fraction:
        return sum(at(level).values(), Fraction(0))

    # The sum rises with the level, in straight pieces between these; the level looked for is on one of them.
    corners = sorted({Fraction(end) / weights[study] for study in demands for end in (1, demands[study])})
    high = next((corner for corner in corners if filled(corner) >= total), None)
    if high is None or filled(high) == total:
        return at(high if high is not None else Fraction(0))
    below = [corner for corner in corners if corner < high]
    low = below[-1] if below else Fraction(0)
    slope = (filled(high) - filled(low)) / (high - low)
    return at(low + (total - filled(low)) / slope)


@dataclass(frozen=True)
class _Request:
    priority: float
    fits: int
    wanted: int
    at: float


class Shares:
    """What each study on a cluster may use now, from what each has asked for last.

    Studies whose trials differ in size count in the same unit: the part of the cluster that a slot takes.

    Args:
        clock: Seconds, never running backwards.
        patience: Seconds in which nobody is told anything: a new keeper of the shares does not know all studies yet.
    """

    def __init__(self, clock: Callable[[], float], patience: float = 0.0) -> None:
        self._clock = clock
        self._requests: dict[str, _Request] = {}
        self._quiet_until = clock() + patience

    def ask(self, study: str, priority: float, fits: int, wanted: int) -> int | None:
        """How many slots a study may use now; None if that is not known yet.

        Args:
            study: The study.
            priority: Its priority, above 0.
            fits: How many of its slots the whole cluster has room for.
            wanted: How many trials it could run now.
        """
        now = self._clock()
        self._requests[study] = _Request(priority, fits, wanted, now)
        active = {name: asked for name, asked in self._requests.items() if now - asked.at < FORGOTTEN_SECONDS}
        self._requests = active
        if now < self._quiet_until:
            return None
        return _share(study, active)

    def forget(self, study: str) -> None:
        """A study has ended."""
        self._requests.pop(study, None)


def _share(study: str, active: Mapping[str, _Request]) -> int:
    """A study's share, and what nobody else wants."""
    total = max(asked.fits for asked in active.values())
    size = {name: max(1, total // asked.fits) if asked.fits else 1 for name, asked in active.items()}
    demands = {name: min(asked.wanted, asked.fits) * size[name] for name, asked in active.items()}
    found = shares(total, demands, {name: asked.priority for name, asked in active.items()})
    left = total - sum(found.values())
    mine = (found[study] + left) // size[study]
    return min(active[study].fits, max(mine, 1 if found[study] else 0))
