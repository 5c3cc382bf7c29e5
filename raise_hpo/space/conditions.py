"""Conditions under which a dimension is active, and partial assignments that are forbidden."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from raise_hpo.errors import nearest
from raise_hpo.space.dimensions import Dimension, Value, is_number, out_of, same
from raise_hpo.space.errors import SpaceError, shown


@dataclass(frozen=True)
class Match:
    """A test on one dimension's value: one of some values, or a number above and/or below a bound."""

    values: tuple[Value, ...] = ()
    above: float | None = None
    below: float | None = None

    def holds(self, value: Value) -> bool:
        """Whether the value passes."""
        if self.values:
            return any(same(value, own) for own in self.values)
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)

    def possible(self, dimension: Dimension) -> "Match | None":
        """The test without the values that the dimension does not have; None where it has none of them."""
        if not self.values:
            return self if dimension.ordered else None
        kept = tuple(value for value in self.values if dimension.contains(value))
        return Match(kept) if kept else None

    def plain(self) -> Any:
        """How it is written in a search space."""
        if self.values:
            return (
                self.values[0] if len(self.values) == 1 and not isinstance(self.values[0], list) else list(self.values)
            )
        bounds = {"above": self.above, "below": self.below}
        return {name: bound for name, bound in bounds.items() if bound is not None}


Matches = Mapping[str, Match]
"""Tests on several dimensions; all must hold."""


def parse_matches(raw: Any, dimensions: Mapping[str, Dimension]) -> dict[str, Match]:
    """Read ``{conv: gnn, layers: [1, 2], lr: {above: 0.01}}``.

    Raises:
        SpaceError: a key is no dimension, or a value none of its.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise SpaceError(f"is {shown(raw)}, but must be a mapping of dimensions to values")
    return {name: _parse_match(name, value, dimensions) for name, value in raw.items()}


def _parse_match(name: str, raw: Any, dimensions: Mapping[str, Dimension]) -> Match:
    if name not in dimensions:
        raise SpaceError(f"names '{name}', which is not a dimension, {nearest(name, dimensions)}")
    dimension = dimensions[name]
    if isinstance(raw, Mapping):
        return _parse_bounds(name, raw, dimension)
    whole_list_is_a_value = isinstance(raw, list) and dimension.contains(raw)
    values = raw if isinstance(raw, list) and not whole_list_is_a_value else [raw]
    if not values:
        raise SpaceError(f"gives '{name}' no value")
    for value in values:
        if not dimension.contains(value):
            raise SpaceError(f"says '{name}' {out_of(dimension, value)}")
    return Match(tuple(values))


def _parse_bounds(name: str, raw: Mapping[str, Any], dimension: Dimension) -> Match:
    for key, bound in raw.items():
        if key not in ("above", "below"):
            raise SpaceError(f"has the unknown key '{key}' under '{name}', {nearest(key, ['above', 'below'])}")
        if not is_number(bound):
            raise SpaceError(f"says '{name}' is {key} {shown(bound)}, which is not a number")
    if not raw or not dimension.ordered:
        raise SpaceError(f"compares '{name}', but it needs above or below and a dimension of numbers")
    return Match(above=raw.get("above"), below=raw.get("below"))


def parents_first(names: Mapping[str, Any], conditions: Mapping[str, Matches]) -> tuple[str, ...]:
    """The names in an order in which each comes after those it depends on, otherwise as given.

    Raises:
        SpaceError: the conditions form a circle.
    """
    graph = {name: list(conditions.get(name, ())) for name in names}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise SpaceError(f"depends on itself: {' → '.join(error.args[1])}", key=error.args[1][0]) from None
    ordered: dict[str, None] = {}
    for name in graph:
        _add_after_parents(name, graph, ordered)
    return tuple(ordered)


def _add_after_parents(name: str, graph: Mapping[str, list[str]], ordered: dict[str, None]) -> None:
    if name in ordered:
        return
    for parent in graph[name]:
        _add_after_parents(parent, graph, ordered)
    ordered[name] = None


def prune(
    dimensions: Mapping[str, Dimension], conditions: Mapping[str, Matches], forbidden: tuple[Matches, ...]
) -> tuple[dict[str, Dimension], dict[str, Matches], tuple[Matches, ...]]:
    """Drop the dimensions that can no longer be active and the forbidden assignments that can no longer occur."""
    kept: dict[str, Dimension] = {}
    kept_conditions: dict[str, Matches] = {}
    for name in parents_first(dimensions, conditions):
        matches = _possible(conditions.get(name, {}), kept)
        if matches is not None:
            kept[name] = dimensions[name]
            kept_conditions |= {name: matches} if matches else {}
    in_order = {name: kept[name] for name in dimensions if name in kept}
    still = (_possible(matches, kept) for matches in forbidden)
    return in_order, kept_conditions, tuple(matches for matches in still if matches)


def _possible(matches: Matches, dimensions: Mapping[str, Dimension]) -> dict[str, Match] | None:
    """The tests cut down to the dimensions' values; None where one can never hold."""
    possible: dict[str, Match] = {}
    for name, match in matches.items():
        cut = match.possible(dimensions[name]) if name in dimensions else None
        if cut is None:
            return None
        possible[name] = cut
    return possible
