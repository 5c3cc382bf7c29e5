"""All combinations of a search space's values, without inactive values and forbidden combinations."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from raise_hpo.space.dimensions import Value

if TYPE_CHECKING:
    from raise_hpo.space.space import SearchSpace

Config = dict[str, Value]


def grid(space: "SearchSpace", points: int) -> Iterator[Config]:
    """Each combination once, the last dimension changing fastest."""
    return _combinations(space, list(space.dimensions), points)


def grid_size(space: "SearchSpace", points: int) -> int:
    """How many combinations there are; only dimensions in conditions and forbidden entries are counted one by one."""
    linked = set(space.conditions)
    linked |= {name for matches in (*space.conditions.values(), *space.forbidden) for name in matches}
    free = [dimension.size or points for name, dimension in space.dimensions.items() if name not in linked]
    names = [name for name in space.dimensions if name in linked]
    return math.prod(free) * sum(1 for _ in _combinations(space, names, points))


def _combinations(space: "SearchSpace", names: Sequence[str], points: int) -> Iterator[Config]:
    values = {name: space.dimensions[name].grid(points) for name in names}
    return (config for config in _extended(space, names, values, {}) if not space.is_forbidden(config))


def _extended(
    space: "SearchSpace", names: Sequence[str], values: Mapping[str, list[Value]], config: Config
) -> Iterator[Config]:
    """All ways to add values for ``names``, parents first, to a configuration."""
    if not names:
        yield config
    elif not space.is_active(names[0], config):
        yield from _extended(space, names[1:], values, config)
    else:
        for value in values[names[0]]:
            yield from _extended(space, names[1:], values, {**config, names[0]: value})
