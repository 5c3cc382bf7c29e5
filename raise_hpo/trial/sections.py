"""What a trainable does with the two sections that a study hands it: its configuration, and ``data``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from raise_hpo.errors import UserError, nearest

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(model: type[Settings], config: Mapping[str, Any], trainable: str) -> Settings:
    """Check a configuration against a trainable's hyperparameters; keys that it leaves out have their defaults.

    Args:
        model: The hyperparameters; the model forbids extra keys.
        config: The configuration.
        trainable: The trainable's name, for messages.

    Raises:
        UserError: A key is unknown or a value is not possible; the message names both and what is valid.
    """
    try:
        return model.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise UserError(f"{trainable}: {first['msg'].removeprefix('Value error, ')}") from None
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise UserError(f"{trainable} has no hyperparameter '{key}'; {nearest(key, model.model_fields)}") from None
        valid = first["msg"].removeprefix("Input should be ")
        raise UserError(f"{trainable}: '{key}' is {first['input']!r}, it should be {valid}") from None


def check_data_keys(data: Mapping[str, Any], keys: Collection[str], trainable: str) -> None:
    """Check a study's ``data`` section: its keys, ``train`` and ``valid`` together, ``max_events`` and ``memory_gib``.

    Args:
        data: The section.
        keys: What the trainable knows; ``train`` and ``valid`` among them.
        trainable: The trainable's name, for messages.

    Raises:
        UserError: A key is unknown, ``train`` or ``valid`` is alone, or a number is not possible.
    """
    for key in data:
        if key not in keys:
            raise UserError(f"data: {trainable} knows no '{key}'; {nearest(key, keys)}")
    for one, other in (("train", "valid"), ("valid", "train")):
        if data.get(one) and not data.get(other):
            raise UserError(f"data: '{one}' is given without '{other}'; name both event files, or none for the sample")
    most = data.get("max_events")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise UserError(f"data: 'max_events' is {most!r}, it should be a whole number of at least 1")
    memory = data.get("memory_gib", 0)
    if isinstance(memory, bool) or not isinstance(memory, int | float) or not 0 <= memory < float("inf"):
        raise UserError(f"data: 'memory_gib' is {memory!r}, it should be a number of GiB from 0 on")
