"""Resources that a study searches for: dimensions of its search space that a trial's resources are taken from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raise_hpo.space import Choices, Dimension, Range, SearchSpace, Steps
from raise_hpo.space.errors import shown
from raise_hpo.study.messages import Mistake
from raise_hpo.study.settings import LR_SCALINGS, Resources
from raise_hpo.workers import LR_SCALING, SEARCHED, WORKERS


def resources_of(resources: Resources, config: Mapping[str, Any]) -> Resources:
    """What a trial of a configuration gets: a study's resources, and instead of them those that were searched for."""
    searched = {name.removeprefix("resources."): config[name] for name in SEARCHED if name in config}
    return Resources(**{**resources.model_dump(), **searched}) if searched else resources


def most_workers(space: SearchSpace, resources: Resources) -> int:
    """The most workers that a trial may start with."""
    dimension = space.dimensions.get(WORKERS)
    return resources.starting_workers if dimension is None else max(resources.starting_workers, *_ends(dimension))


def searched_mistakes(space: SearchSpace, resources: Resources) -> list[Mistake]:
    """What is wrong with the dimensions of a search space that are resources."""
    workers, scaling = space.dimensions.get(WORKERS), space.dimensions.get(LR_SCALING)
    found = [] if workers is None else _about_workers(workers, resources)
    return found if scaling is None else [*found, *_about_scaling(scaling, resources)]


def _ends(dimension: Dimension) -> list[Any]:
    """All values of a choice; of a range the least and the greatest."""
    if isinstance(dimension, Range | Steps):
        return [dimension.low, dimension.high]
    return list(dimension.values) if isinstance(dimension, Choices) else []


def _about_workers(dimension: Dimension, resources: Resources) -> list[Mistake]:
    if not isinstance(resources.workers, int):
        text = f"is by rung, but the search space has {WORKERS} too: give one number, the default configuration's"
        return [Mistake(("resources", "workers"), text)]
    ends = _ends(dimension)
    if dimension.size is None or not all(type(value) is int and value >= 1 for value in ends):
        text = f"is {dimension.notation}, but must be whole numbers of at least 1, such as choice([1, 2, 4])"
        return [Mistake(("search_space", WORKERS), text)]
    if resources.survivors is not None and resources.survivors < max(ends):
        text = f"is {resources.survivors}, but must be at least {max(ends)}, the most of search_space.{WORKERS}"
        return [Mistake(("resources", "survivors"), text)]
    return []


def _about_scaling(dimension: Dimension, resources: Resources) -> list[Mistake]:
    odd = [value for value in _ends(dimension) if value not in LR_SCALINGS]
    if odd:
        text = f'has {shown(odd[0])}; valid are the values "off" (in quotes, else it is read as false), linear, sqrt'
        return [Mistake(("search_space", LR_SCALING), text)]
    if resources.batch == "joint":
        text = f"is joint, with which the joint batch does not grow: remove search_space.{LR_SCALING}"
        return [Mistake(("resources", "batch"), text)]
    return []
