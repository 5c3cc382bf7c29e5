"""Encoded configurations: near ones lie near, and conditions show."""

import numpy as np
import pytest

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder


def encoder(**space: object) -> Encoder:
    return Encoder(SearchSpace.parse(space))


def test_ranges_keep_their_scale() -> None:
    found = encoder(lr="loguniform(1e-4, 1e-2)").encode([{"lr": 1e-4}, {"lr": 1e-3}, {"lr": 1e-2}])
    assert np.allclose(found[:, 0], [0, 0.5, 1], atol=1e-9)


def test_numbers_in_order_are_one_column_by_place() -> None:
    found = encoder(width="choice([32, 64, 256])").encode([{"width": 32}, {"width": 64}, {"width": 256}])
    assert found.tolist() == [[0.0], [0.5], [1.0]]


def test_other_choices_are_a_column_a_value_at_equal_distances() -> None:
    found = encoder(conv="choice([gnn, attention, mlp])").encode([{"conv": c} for c in ("gnn", "attention", "mlp")])
    assert found.shape == (3, 3)
    distances = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert np.allclose(distances[~np.eye(3, dtype=bool)], distances[0, 1])


def test_two_values_are_one_column() -> None:
    assert encoder(norm="choice([true, false])").encode([{"norm": True}, {"norm": False}]).tolist() == [[0.0], [1.0]]


def test_a_condition_adds_a_column_that_tells_whether_it_holds() -> None:
    found = encoder(conv="choice([gnn, mlp])", bins={"choice": [16, 32, 64], "when": {"conv": "gnn"}}).encode(
        [{"conv": "gnn", "bins": 64}, {"conv": "mlp"}]
    )
    assert found.tolist() == [[0.0, 1.0, 1.0], [1.0, 0.5, 0.0]]


def test_nothing_encodes_to_no_rows() -> None:
    assert encoder(lr="uniform(0, 1)").encode([]).shape == (0, 1)


def test_numbers_outside_are_moved_to_the_edge_and_to_the_nearest_choice() -> None:
    both = encoder(lr="loguniform(1e-4, 1e-1)", width="choice([8, 16, 64])")
    assert both.encode([{"lr": 10.0, "width": 20}])[0].tolist() == [pytest.approx(1.0), 0.5]


def test_what_the_space_does_not_know_is_refused() -> None:
    conv = encoder(conv="choice([gnn, attention, mlp])")
    with pytest.raises(UserError, match="conv is 'gn', which no row has"):
        conv.encode([{"conv": "gn"}])
    with pytest.raises(UserError, match="has no conv"):
        conv.encode([{}])
