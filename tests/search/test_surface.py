"""The Gaussian process against its formulas, and expected improvement against integration."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from raise_hpo.search.surface import Surface, log_expected_improvement


def data(rows: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    units = rng.random((rows, 2))
    return units, (units[:, 0] - 0.3) ** 2 + 0.1 * units[:, 1], rng.uniform(1e-4, 1e-2, rows)


def matern(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    distance = np.sqrt(5) * np.linalg.norm((a[:, None] - b[None]) / 0.5, axis=2)
    return (1 + distance + distance**2 / 3) * np.exp(-distance)


def test_the_posterior_is_that_of_the_textbook() -> None:
    units, values, noise = data()
    places = Surface(units, values, noise).at(new := np.random.default_rng(2).random((7, 2)))
    scale, mean = values.std(), values.mean()
    inverse = np.linalg.inv(matern(units, units) + np.diag(noise / scale**2 + 0.05))
    cross = matern(new, units)
    expected = cross @ inverse @ (values - mean) + mean
    variance = (1 - np.einsum("ij,jk,ik->i", cross, inverse, cross)) * scale**2
    assert np.allclose(places.mean, expected, atol=1e-4)
    assert np.allclose(places.deviation(), np.sqrt(variance), rtol=1e-3)


def test_what_is_being_tried_lowers_the_spread_around_it_as_a_measurement_would() -> None:
    units, values, noise = data()
    surface, near = Surface(units, values, noise), np.array([[0.9, 0.9], [0.1, 0.1]])
    tried = near[:1] + 0.01
    given = surface.at(near).deviation(surface.at(tried))
    assert given[0] < 0.7 * surface.at(near).deviation()[0]
    assert given[1] == pytest.approx(surface.at(near).deviation()[1], rel=0.05)


def test_a_dimension_without_influence_gets_the_longer_length_scale() -> None:
    rng = np.random.default_rng(3)
    units = rng.random((40, 2))
    theta = Surface.fitted(units, np.sin(6 * units[:, 0]), np.full(40, 1e-3), rng)
    assert theta[2] > theta[1] + 0.7


@pytest.mark.parametrize("best", [-2.0, 0.0, 1.5])
def test_expected_improvement_is_the_integral(best: float) -> None:
    mean, deviation = 0.4, 0.7
    expected, _ = quad(lambda x: (best - x) * norm.pdf(x, mean, deviation), -12, best)
    found = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert found == pytest.approx(np.log(expected), abs=0.02)


def test_far_from_any_improvement_there_is_still_an_order() -> None:
    found = log_expected_improvement(np.array([5.0, 6.0, 7.0]), np.full(3, 0.3), 0.0)
    assert np.all(np.diff(found) < 0) and np.all(np.isfinite(found))
