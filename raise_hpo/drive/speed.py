"""Speed-up and efficiency: what a measurement with more workers, or more slots, gained over the one with the fewest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """How a count compares with the fewest that was measured.

    Attributes:
        speed_up: How many times as much was done in a second.
        ideal: The ratio of the counts, which `speed_up` is in the ideal case.
        efficiency: `speed_up` over `ideal`; 1 in the ideal case.
    """

    speed_up: float
    ideal: float
    efficiency: float


def speeds(seconds: Mapping[int, float], work_grows: bool = False) -> dict[int, Speed]:
    """The speed of each count against that of the fewest.

    Args:
        seconds: Seconds by count, of the same work.
        work_grows: Whether the work is as many times as large as there are workers, as in weak scaling.
    """
    found = {}
    fewest = min(seconds, default=1)
    for count, taken in sorted(seconds.items()):
        ideal = count / fewest
        speed_up = seconds[fewest] / taken * (ideal if work_grows else 1.0)
        found[count] = Speed(speed_up, ideal, speed_up / ideal)
    return found
