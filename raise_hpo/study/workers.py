"""The workers of a trial as a study file has them, with one sentence for each mistake."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from raise_hpo.space.errors import shown
from raise_hpo.workers import Workers

_FORMS = "a whole number of at least 1, or numbers by rung such as {rung 0: 1, rung 2: 4}"


def read_workers(value: Any) -> Workers:
    """Check a number of workers, or numbers by rung; those are put in order, and rung 0 is 1 if it is left out.

    Raises:
        ValueError: It is neither; the mistake's place in the mapping is told along.
    """
    if isinstance(value, Mapping) and value:
        return _read_rungs(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"is {shown(value)}, but must be {_FORMS}")
    if value < 1:
        raise ValueError(f"is {value}, but must be at least 1")
    return value


def _read_rungs(value: Mapping[Any, Any]) -> dict[str, int]:
    counts = {0: 1}
    for key, count in value.items():
        found = re.fullmatch(r"rung (0|[1-9]\d*)", str(key))
        if found is None:
            raise mistake(key, "is an unknown key, valid: rung 0 (the start of a trial), rung 1 (the first rung), …")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise mistake(key, f"is {shown(count)}, but must be a whole number of at least 1")
        counts[int(found[1])] = count
    before = 1
    for rung, count in sorted(counts.items()):
        if count % before:
            raise mistake(f"rung {rung}", f"is {count}, but must be a multiple of the {before} workers before")
        before = count
    return {f"rung {rung}": count for rung, count in sorted(counts.items())}


def mistake(key: Any, text: str) -> PydanticCustomError:
    """What is wrong with one key of a mapping, to be raised while the mapping is read."""
    return PydanticCustomError("choice", "{text}", {"text": text, "at": (str(key),)})
