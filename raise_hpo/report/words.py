"""Numbers, durations and configurations as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNITS = {
    "inference_seconds": "s per sample",
    "seconds": "s per epoch",
    "samples_per_second": "samples per s",
    "energy_joule": "J per epoch",
}


def number(value: Any, digits: int = 4) -> str:
    """A number with so many significant digits, a whole one with all; true, false as in YAML, a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and 10**digits <= abs(value) < 1e9):
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def with_unit(metric: str) -> str:
    """A metric's name with its unit, where it is one that every trial has; others have units of their own."""
    return f"{metric} [{_UNITS[metric]}]" if metric in _UNITS else metric


def duration(seconds: float) -> str:
    """A duration in its two largest units: ``4.2 s``, ``3 min 05 s``, ``2 h 10 min``, ``3 d 4 h``."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def short_config(config: Mapping[str, Any], digits: int = 3) -> str:
    """A configuration on one line: ``lr=0.00312 layers=2``."""
    return " ".join(f"{key}={number(value, digits)}" for key, value in config.items())


def energy(kwh: float) -> str:
    """An energy in kWh, or in Wh where it is small."""
    return f"{kwh:.3g} kWh" if kwh >= 0.1 else f"{1000 * kwh:.3g} Wh"


def percent(fraction: float) -> str:
    """A share in per cent, with a digit after the point where it is small."""
    return f"{100 * fraction:.0f} %" if abs(fraction) >= 0.0995 else f"{100 * fraction:.1f} %"


def gain_words(gain: float | None) -> str:
    """How the best value stands to the default's: ``31 % better``; empty if there is nothing to compare."""
    if gain is None:
        return ""
    if abs(gain) < 0.0005:
        return "equal"
    return f"{percent(abs(gain))} {'better' if gain > 0 else 'worse'}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 trial``, ``3 trials``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
