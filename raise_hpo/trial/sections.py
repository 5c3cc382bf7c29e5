"""What a trainable does with the two sections that a study hands it: its configuration, and ``data``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from raise_hpo.errors import UserError, nearest

Settings = TypeVar("Settings", bound=BaseModel)

COMMON_KEYS = ("memory_gib",)
"""Keys of the ``data`` section that every trainable with Parquet files knows."""


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
    """Check the keys of a study's ``data`` section, that ``train`` and ``valid`` go together, and any ``max_events``.

    Args:
        data: The section.
        keys: What the trainable knows; ``train`` and ``valid`` among them.
        trainable: The trainable's name, for messages.

    Raises:
        UserError: A key is unknown, ``train`` or ``valid`` is alone, or ``max_events`` is not a whole number from 1.
    """
    for key in data:
        if key not in (*keys, *COMMON_KEYS):
            raise UserError(f"data: {trainable} knows no '{key}'; {nearest(key, (*keys, *COMMON_KEYS))}")
    for one, other in (("train", "valid"), ("valid", "train")):
        if data.get(one) and not data.get(other):
            raise UserError(f"data: '{one}' is given without '{other}'; name both event files, or none for the sample")
    most = data.get("max_events")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise UserError(f"data: 'max_events' is {most!r}, it should be a whole number of at least 1")
