"""The default configuration of a trainable, as a point of a study's search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raise_hpo.errors import UserError, nearest
from raise_hpo.history import Config
from raise_hpo.space import flatten
from raise_hpo.study import StudySpec


def default_config(study: StudySpec, trainable: type) -> Config | None:
    """The default configuration, restricted to the search space's active dimensions; None if there are no defaults.

    Raises:
        UserError: The trainable lists its defaults, and the search space or the study's ``config`` has a key that is
            not among them, which would change nothing in the training.
    """
    defaults: Mapping[str, Any] = flatten(dict(getattr(trainable, "defaults", {})))
    space = study.space
    if not defaults:
        return None
    for section, keys in (("search_space", list(space.dimensions)), ("config", list(flatten(dict(study.config))))):
        for key in keys:
            if key not in defaults:
                raise UserError(
                    f"{section}: '{key}' is not a setting of {study.trainable}; {nearest(key, sorted(defaults))}"
                )
    config: Config = {}
    for name in space.dimensions:
        if space.is_active(name, config):
            config[name] = defaults[name]
    return config
