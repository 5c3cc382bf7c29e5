"""The search space: named dimensions, the conditions under which they are active, and forbidden assignments."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import nearest
from raise_hpo.space.conditions import Matches, prune
from raise_hpo.space.dimensions import Choices, Dimension, Value, out_of
from raise_hpo.space.errors import SpaceError, shown
from raise_hpo.space.grammar import looks_like_form
from raise_hpo.space.grid import grid, grid_size
from raise_hpo.space.parse import FORBIDDEN, parse_parts
from raise_hpo.yaml_source import Document, dump_yaml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Config = dict[str, Value]
"""A configuration: flat, with dotted keys; inactive dimensions are absent."""

_TRIES = 1000


def config_key(config: Mapping[str, Value]) -> str:
    """A text that only equal configurations share."""
    return json.dumps(config, sort_keys=True)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """What a study searches. Made by ``parse``, ``load`` or ``from_objects``.

    Attributes:
        dimensions: The dimensions by name, as written but each after those that its condition is about; this is
            also the order of unit vectors.
        conditions: For each conditional dimension the tests on others that must all hold.
        forbidden: Tests that must not all hold at once.
    """

    dimensions: dict[str, Dimension]
    conditions: Mapping[str, Matches] = field(default_factory=dict)
    forbidden: tuple[Matches, ...] = ()

    @classmethod
    def parse(
        cls, mapping: Mapping[str, Any], source: str = "search space", document: Document | None = None
    ) -> "SearchSpace":
        """Read a search space written as data; ``document``, where it comes from a file, knows the lines.

        Raises:
            SpaceError: the first mistake, with source, line, key, value and what is valid.
        """
        return cls(*parse_parts(document or Document(source, mapping)))

    @classmethod
    def load(cls, name: str) -> "SearchSpace":
        """Read an installed search space by its name, or a file by its path.

        Raises:
            UserError: no such name or file, or a mistake in it.
        """
        from raise_hpo.names import search_space_file
        from raise_hpo.yaml_source import load_yaml

        return cls(*parse_parts(load_yaml(search_space_file(name))))

    @classmethod
    def from_objects(cls, mapping: Mapping[str, Any]) -> "SearchSpace":
        """Read a search space whose values may be Ray Tune domains or Optuna distributions, also nested.

        Raises:
            SpaceError: a domain that has no counterpart here.
        """
        from raise_hpo.space.conversions import plain_space

        return cls.parse(plain_space(mapping))

    def __len__(self) -> int:
        return len(self.dimensions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return list(self.to_dict().items()) == list(other.to_dict().items())

    def __hash__(self) -> int:
        return hash(self.to_yaml())

    def is_active(self, name: str, config: Mapping[str, Value]) -> bool:
        """Whether the dimension's condition holds, given the (perhaps partial) configuration above it."""
        for parent, match in self.conditions.get(name, {}).items():
            if parent not in config or not match.holds(config[parent]) or not self.is_active(parent, config):
                return False
        return True

    def active(self, config: Mapping[str, Value]) -> list[str]:
        """The names whose conditions hold, in the order of ``dimensions``."""
        return [name for name in self.dimensions if self.is_active(name, config)]

    def sample(self, rng: np.random.Generator) -> Config:
        """Draw a configuration at random.

        Raises:
            SpaceError: a thousand draws in a row were forbidden.
        """
        for _ in range(_TRIES):
            config = self.from_unit(rng.random(len(self)))
            if not self.is_forbidden(config):
                return config
        raise SpaceError(f"{_TRIES} random configurations in a row were forbidden; loosen the entries", key=FORBIDDEN)

    def from_unit(self, u: Sequence[float] | NDArray[np.float64]) -> Config:
        """The configuration at a point of the unit cube, one coordinate a dimension; it may be a forbidden one."""
        point = [min(max(float(x), 0.0), math.nextafter(1.0, 0.0)) for x in u]
        if len(point) != len(self):
            raise ValueError(f"expected {len(self)} coordinates, got {len(point)}")
        pairs = zip(self.dimensions.items(), point, strict=True)
        return self.only_active({name: dimension.from_unit(x) for (name, dimension), x in pairs})

    def to_unit(self, config: Mapping[str, Value]) -> NDArray[np.float64]:
        """The configuration's point in the unit cube, shape ``(len(self),)``; inactive dimensions are at 0.5.

        Raises:
            SpaceError: as ``check``, except that forbidden configurations have a point too.
        """
        self._check_values(config)
        pairs = self.dimensions.items()
        return np.array([dimension.to_unit(config[name]) if name in config else 0.5 for name, dimension in pairs])

    def only_active(self, values: Mapping[str, Value]) -> Config:
        """The values of the active dimensions alone, in the order of ``dimensions``."""
        return {name: values[name] for name in self.active(values) if name in values}

    def is_forbidden(self, config: Mapping[str, Value]) -> bool:
        """Whether the configuration matches one of the forbidden assignments."""
        return self._forbidden_by(config) is not None

    def contains(self, config: Mapping[str, Value]) -> bool:
        """Whether the configuration is one of this space."""
        try:
            self.check(config)
        except SpaceError:
            return False
        return True

    def check(self, config: Mapping[str, Value]) -> None:
        """Say why a configuration is not one of this space.

        Raises:
            SpaceError: an unknown, missing or inactive key, a value outside its dimension, or a forbidden combination.
        """
        self._check_values(config)
        matches = self._forbidden_by(config)
        if matches is not None:
            told = ", ".join(f"{name}={shown(config[name])}" for name in matches)
            raise SpaceError(f"the combination {told} is forbidden", source="configuration")

    def grid(self, points: int) -> Iterator[Config]:
        """All combinations of each dimension's ``grid(points)``, without inactive values and forbidden combinations."""
        return grid(self, points)

    def grid_size(self, points: int) -> int:
        """How many configurations ``grid(points)`` has."""
        return grid_size(self, points)

    def narrow(self, overrides: Mapping[str, str]) -> "SearchSpace":
        """Replace dimensions by new notations, or by a single value, keeping their conditions.

        What can no longer be active or occur is dropped from the space.

        Raises:
            SpaceError: an unknown key, or a notation that cannot be read.
        """
        changed = self.to_dict()
        for name, text in overrides.items():
            if name not in self.dimensions:
                raise SpaceError(f"is not in the search space, {nearest(name, self.dimensions)}", key=name)
            changed[name] = text if isinstance(text, str) and looks_like_form(text) else {"choice": [text]}
        unconditional = {name: _without_when(value) for name, value in changed.items() if name != FORBIDDEN}
        dimensions = parse_parts(Document("--set", unconditional))[0]
        return SearchSpace(*prune(dimensions, self.conditions, self.forbidden))

    def to_dict(self) -> dict[str, Any]:
        """The search space as plain data that ``parse`` reads back as an equal one."""
        plain: dict[str, Any] = {name: self._plain(name, dimension) for name, dimension in self.dimensions.items()}
        if self.forbidden:
            plain[FORBIDDEN] = [{name: match.plain() for name, match in entry.items()} for entry in self.forbidden]
        return plain

    def to_yaml(self) -> str:
        """The search space as a file of ``search_spaces/``."""
        return dump_yaml(self.to_dict())

    def to_optuna(self) -> "dict[str, BaseDistribution]":
        """One Optuna distribution a dimension, conditions and forbidden combinations left out."""
        from raise_hpo.space.conversions import to_distribution

        return {name: to_distribution(dimension) for name, dimension in self.dimensions.items()}

    def from_optuna_values(self, params: Mapping[str, Any]) -> Config:
        """The configuration of a trial's parameters: on the steps, as plain Python, without inactive dimensions."""
        from raise_hpo.space.conversions import from_optuna_value

        values = {name: from_optuna_value(self.dimensions[name], value) for name, value in params.items()}
        return self.only_active(values)

    def to_optuna_values(self, config: Mapping[str, Value]) -> dict[str, Any]:
        """A configuration's parameters as the distributions of ``to_optuna`` hold them."""
        from raise_hpo.space.conversions import to_optuna_value

        return {name: to_optuna_value(self.dimensions[name], value) for name, value in config.items()}

    def _plain(self, name: str, dimension: Dimension) -> Any:
        if name not in self.conditions:
            return dimension.notation
        arguments = dimension.arguments[0] if isinstance(dimension, Choices) else dimension.arguments
        when = {parent: match.plain() for parent, match in self.conditions[name].items()}
        return {dimension.form: arguments, "when": when}

    def _check_values(self, config: Mapping[str, Value]) -> None:
        for name, value in config.items():
            if name not in self.dimensions:
                raise SpaceError(f"is not in the search space, {nearest(name, self.dimensions)}", name, "configuration")
            if not self.dimensions[name].contains(value):
                raise SpaceError(out_of(self.dimensions[name], value), name, "configuration")
        active = self.active(config)
        for name in config:
            if name not in active:
                raise SpaceError(f"is set, but inactive here: it needs {self._told(name)}", name, "configuration")
        for name in active:
            if name not in config:
                raise SpaceError(f"is missing; valid: {self.dimensions[name].notation}", name, "configuration")

    def _told(self, name: str) -> str:
        return ", ".join(f"{parent} = {match.plain()}" for parent, match in self.conditions[name].items())

    def _forbidden_by(self, config: Mapping[str, Value]) -> Matches | None:
        for matches in self.forbidden:
            if all(name in config and match.holds(config[name]) for name, match in matches.items()):
                return matches
        return None


def _without_when(value: Any) -> Any:
    return {key: part for key, part in value.items() if key != "when"} if isinstance(value, dict) else value
