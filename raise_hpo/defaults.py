"""The default configuration of a trainable, as a point of a study's search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raise_hpo.errors import UserError, nearest
from raise_hpo.history import Config
from raise_hpo.space import flatten
from raise_hpo.study import StudySpec
from raise_hpo.workers import SEARCHED


def default_config(study: StudySpec, trainable: type) -> Config | None:
    """The default configuration, restricted to the search space's active dimensions; None if there are no defaults.

    Resources that are searched for are the study's own in it.

    Raises:
        UserError: The trainable lists its defaults, and the search space or the study's ``config`` has a key that is
            not among them, which would change nothing in the training.
    """
    defaults: Mapping[str, Any] = flatten(dict(getattr(trainable, "defaults", {})))
    space = study.space
    if not defaults:
        return None
    own = {name: getattr(study.resources, name.removeprefix("resources.")) for name in SEARCHED}
    searched = {**defaults, **own}
    for section, keys, known in (
        ("search_space", list(space.dimensions), searched), ("config", list(flatten(dict(study.config))), defaults)
    ):  # fmt: skip
        for key in keys:
            if key not in known:
                raise UserError(
                    f"{section}: '{key}' is not a setting of {study.trainable}; {nearest(key, sorted(known))}"
                )
    config: Config = {}
    for name in space.dimensions:
        if space.is_active(name, config):
            config[name] = searched[name]
    return config
