import numpy as np
import pytest

from raise_hpo.predict import make_predictor
from raise_hpo.predict.names import PREDICTORS
from tests.predict.curves import crossing, settled

FAST = [name for name in PREDICTORS if name != "qsvr"]
MODELS = [name for name in PREDICTORS if name not in ("last", "talk-svr")]


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("known", [1, 2, 10])
def test_predictions_are_finite_with_a_positive_deviation(name, known):
    units, curves = crossing(14)
    model = make_predictor(name).fit(units[:10], curves[:10, :known], curves[:10, -1])
    mean, deviation = model.predict(units[10:], curves[10:, :known])
    assert mean.shape == deviation.shape == (4,)
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
    assert (mean == model.expect(units[10:], curves[10:, :known])).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_same_rows_give_the_same_predictor(name):
    units, curves = crossing(24)
    train = units[:20], curves[:20, :6], curves[:20, -1]
    first, second = (make_predictor(name, 3).fit(*train).predict(units[20:], curves[20:, :6]) for _ in range(2))
    assert (np.array(first) == np.array(second)).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_predicting_changes_nothing(name):
    units, curves = crossing(24)
    kept = units.copy(), curves.copy()
    model = make_predictor(name).fit(units[:20], curves[:20, :6], curves[:20, -1])
    once = model.expect(units[20:], curves[20:, :6])
    model.predict(units[:20], curves[:20, :6])
    assert (model.expect(units[20:], curves[20:, :6]) == once).all()
    assert (units == kept[0]).all()
    assert (curves == kept[1]).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_few_and_equal_trainings_are_no_trouble(name):
    units, curves = np.zeros((3, 0)), np.ones((3, 4))
    mean, _ = make_predictor(name).fit(units, curves, np.ones(3)).predict(units, curves)
    assert mean == pytest.approx(np.ones(3))


@pytest.mark.parametrize("name", MODELS)
def test_models_see_that_quick_trials_will_be_overtaken(name):
    units, curves = crossing(140)
    model = make_predictor(name).fit(units[:60], curves[:60, :3], curves[:60, -1])
    truth = curves[60:, -1]
    error = np.mean((model.expect(units[60:], curves[60:, :3]) - truth) ** 2) / truth.var()
    assert error < 0.15
    assert np.mean((curves[60:, 2] - truth) ** 2) / truth.var() > 1


@pytest.mark.parametrize("name", FAST)
def test_a_rescaled_loss_gives_rescaled_predictions(name):
    units, curves = crossing(40)
    train, known = slice(0, 30), curves[:, :5]
    one = make_predictor(name).fit(units[train], known[train], curves[train, -1]).expect(units, known)
    scaled = make_predictor(name).fit(units[train], 50 * known[train] - 7, 50 * curves[train, -1] - 7)
    assert scaled.expect(units, 50 * known - 7) == pytest.approx(50 * one - 7, abs=0.05)


def test_deviations_are_those_of_held_out_trials():
    units, curves = crossing(400)
    model = make_predictor("svr").fit(units[:60], curves[:60, :3], curves[:60, -1])
    mean, deviation = model.predict(units[60:], curves[60:, :3])
    off = (mean - curves[60:, -1]) / deviation
    assert 0.4 < np.sqrt(np.mean(off**2)) < 1.6


def test_the_last_value_is_the_last_value_and_drift_its_change():
    units, curves = settled(20)
    last = make_predictor("last").fit(units, curves[:, :5], curves[:, -1])
    drift = make_predictor("drift").fit(units, curves[:, :5], curves[:, -1])
    assert (last.expect(units, curves[:, :5]) == curves[:, 4]).all()
    assert last.predict(units, curves[:, :5])[1] == pytest.approx(0.15)
    assert drift.expect(units, curves[:, :5]) == pytest.approx(curves[:, -1])
