"""The surrogate: it knows what it was given, predicts what it was not, and is unmoved by bad rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from raise_hpo.curves import CurveTable
from raise_hpo.drive.processes import Processes
from raise_hpo.drive.surrogate import Surrogate
from raise_hpo.errors import UserError
from raise_hpo.space import Config, SearchSpace

SPACE = SearchSpace.parse(
    {
        "lr": "loguniform(1e-4, 1e-1)",
        "width": "choice([8, 16, 32])",
        "conv": "choice([gnn, attention])",
        "gnn.bins": {"randint": [1, 9], "when": {"conv": "gnn"}},
    }
)
EPOCHS = 12


def true_curve(config: Config, rng: np.random.Generator | None = None) -> np.ndarray:
    """A loss that falls the faster and the further the nearer the learning rate is to 0.005."""
    away = abs(np.log10(config["lr"]) + 2.3)
    floor = 1 + away + 0.02 * config["width"] + (0.3 if config["conv"] == "gnn" else 0.0)
    floor += 0.05 * config.get("gnn.bins", 0)
    noise = 0.0 if rng is None else 0.01 * rng.normal(size=EPOCHS)
    return np.asarray(floor + 3 * np.exp(-np.arange(EPOCHS) / (2 + away)) + noise)


def made(count: int = 120, seed: int = 0, **changes: Any) -> CurveTable:
    rng = np.random.default_rng(seed)
    configs = [SPACE.sample(rng) for _ in range(count)]
    losses = np.array([true_curve(config, rng) for config in configs])
    seconds = np.array([2.0 * config["width"] ** 0.5 for config in configs])
    return CurveTable("made", SPACE, configs, losses, seconds)


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate(made())


def unseen(count: int = 60) -> list[Config]:
    rng = np.random.default_rng(99)
    return [SPACE.sample(rng) for _ in range(count)]


def test_unseen_configurations_are_predicted(surrogate: Surrogate) -> None:
    truth = np.array([true_curve(config) for config in unseen()])
    told = np.array([surrogate.curve(config) for config in unseen()])
    assert told.shape == (60, EPOCHS)
    assert spearmanr(told[:, -1], truth[:, -1]).statistic > 0.95
    assert np.median(np.abs(told - truth)) < 0.1


def test_its_own_cross_validation_says_so(surrogate: Surrogate) -> None:
    assert 0.9 < surrogate.rank_correlation() <= 1.0
    shuffled = made()
    shuffled.losses[:] = np.random.default_rng(1).permutation(shuffled.losses)
    assert abs(Surrogate(shuffled).rank_correlation()) < 0.35


def test_one_configuration_is_as_many_at_once(surrogate: Surrogate) -> None:
    configs = unseen(5)
    np.testing.assert_allclose(surrogate.curves(configs), [surrogate.curve(config) for config in configs], rtol=1e-9)


def test_the_processes_are_those_of_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    rng = np.random.default_rng(0)
    x, new = rng.random((40, 3)), rng.random((10, 3))
    y = np.stack([np.sin(5 * x[:, 0]) + x[:, 1], x[:, 2] ** 2], axis=1)
    scales, noise = np.array([[0.3, 0.5, 2.0], [1.0, 2.0, 0.4]]), np.array([0.01, 0.02])
    ours = Processes(scales, noise, x, y).predict(new)
    for column in range(2):
        kernel = Matern(scales[column], nu=2.5) + WhiteKernel(noise[column])
        peer = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(x, y[:, column])
        np.testing.assert_allclose(ours[:, column], peer.predict(new), rtol=1e-5)


def test_the_best_is_found_and_the_median_is_a_random_ones(surrogate: Surrogate) -> None:
    sampled = [surrogate.curve(config).min() for config in unseen(300)]
    assert surrogate.best <= min(sampled)
    assert abs(surrogate.best - 1.16) < 0.15
    assert abs(surrogate.median - np.median(sampled)) < 0.1


def test_seconds_follow_the_configuration(surrogate: Surrogate) -> None:
    config = {"lr": 0.01, "width": 8, "conv": "attention"}
    assert surrogate.seconds(config) == pytest.approx(2 * 8**0.5, rel=0.05)
    assert surrogate.seconds({**config, "width": 32}) == pytest.approx(2 * 32**0.5, rel=0.05)
    assert Surrogate(made(20), "nearest", seconds=lambda config: 7.0).seconds(config) == 7.0


def test_the_nearest_row_gives_its_own_curve() -> None:
    table = made()
    surrogate = Surrogate(table, "nearest")
    np.testing.assert_allclose(surrogate.curve(table.configs[5]), table.losses[5], rtol=1e-9)
    near = {**table.configs[5], "lr": table.configs[5]["lr"] * 1.0001}
    np.testing.assert_allclose(surrogate.curve(near), table.losses[5], rtol=1e-9)
    assert 0.5 < surrogate.rank_correlation() < 1


def test_a_recorded_configuration_has_its_recorded_curve_and_seconds() -> None:
    table = made(60)
    table.seconds[7] = 123.0  # type: ignore[index]
    surrogate = Surrogate(table, recorded=True)
    np.testing.assert_array_equal(surrogate.curve(table.configs[7]), table.losses[7])
    assert surrogate.seconds(table.configs[7]) == 123.0
    reordered = dict(reversed(table.configs[7].items())) | {"width": float(table.configs[7]["width"])}
    np.testing.assert_array_equal(surrogate.curve(reordered), table.losses[7])


def test_a_stopped_training_goes_on_from_where_it_was() -> None:
    table = made(60)
    truth = table.losses[7].copy()
    table.losses[7, 8:] = np.nan
    curve = Surrogate(table, recorded=True).curve(table.configs[7])
    np.testing.assert_array_equal(curve[:8], truth[:8])
    assert abs(curve[8] - truth[8]) < 0.2 and abs(curve[-1] - truth[-1]) < 0.3


def test_a_diverged_training_does_not_rule_the_others(surrogate: Surrogate) -> None:
    table = made()
    table.losses[0, 3:], table.losses[1, 5:] = np.inf, 1e30
    hurt = Surrogate(table)
    told = [surrogate.curve(config)[-1] for config in unseen()]
    hurt_told = [hurt.curve(config)[-1] for config in unseen()]
    assert np.isfinite(hurt_told).all()
    assert spearmanr(told, hurt_told).statistic > 0.9


def test_where_trainings_diverge_at_once_others_are_expected_to() -> None:
    table = made()
    diverging = np.array([config["lr"] > 0.02 for config in table.configs])
    table.losses[diverging] = np.inf
    surrogate = Surrogate(table)
    config = {"lr": 0.06, "width": 8, "conv": "attention"}
    assert surrogate.curve(config)[-1] > 2 * surrogate.curve({**config, "lr": 0.005})[-1]
    table.losses[:] = np.inf
    with pytest.raises(UserError, match="of which 0 went"):
        Surrogate(table)


def test_early_stopped_trainings_help() -> None:
    table = made()
    order = np.argsort(table.losses[:, 3])
    table.losses[order[40:], 4:] = np.nan
    truth = [true_curve(config)[-1] for config in unseen()]
    surrogate = Surrogate(table)
    assert spearmanr([surrogate.curve(config)[-1] for config in unseen()], truth).statistic > 0.85


def test_retrained_configurations_do_not_break_the_fit() -> None:
    table = made(30)
    noisy = table.losses + 0.05 * np.random.default_rng(5).normal(size=table.losses.shape)
    twice = CurveTable("twice", SPACE, table.configs * 2, np.vstack([table.losses, noisy]))
    assert np.isfinite(Surrogate(twice).curves(unseen())).all()


def test_too_few_trainings_are_refused() -> None:
    with pytest.raises(UserError, match="made: has 5 trainings, of which 5 went to epoch 12"):
        Surrogate(made(5))
    table = made(20)
    table.losses[1:, -1] = np.nan
    with pytest.raises(UserError, match="has 20 trainings, of which 1 went"):
        Surrogate(table)


def test_a_configuration_from_elsewhere_is_refused(surrogate: Surrogate) -> None:
    with pytest.raises(UserError, match="has no width"):
        surrogate.curve({"lr": 0.01, "conv": "attention"})
    with pytest.raises(UserError, match=r"conv is 'conv3d'.*valid: gnn, attention"):
        surrogate.curve({"lr": 0.01, "width": 8, "conv": "conv3d"})


def test_forbidden_configurations_are_not_the_best() -> None:
    table = made()
    space = SearchSpace.parse({**SPACE.to_dict(), "forbidden": [{"lr": {"above": 0.002}}]})
    allowed = Surrogate(CurveTable("made", space, table.configs, table.losses))
    assert allowed.best > Surrogate(table).best + 0.1
