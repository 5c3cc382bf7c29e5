"""Between flat configurations with dotted keys and nested ones."""

from collections.abc import Mapping
from typing import Any

from raise_hpo.space.errors import SpaceError


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"gnn.bin_size": 16}`` into ``{"gnn": {"bin_size": 16}}``.

    Raises:
        SpaceError: a key is both a value and a group.
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, last = key.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
            if not isinstance(inner, dict):
                raise SpaceError(f"is a key below {group}, which already has a value", key=key)
        if last in inner:
            raise SpaceError("is both a value and a group of keys, or is given twice", key=key)
        inner[last] = value
    return nested


def flatten(nested: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Turn ``{"gnn": {"bin_size": 16}}`` into ``{"gnn.bin_size": 16}``; an empty group stays a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{above}{key}."))
        else:
            flat[f"{above}{key}"] = value
    return flat
