import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raise_hpo.predict.features import features, known_epochs
from raise_hpo.predict.folds import FOLDS, folds, held_out
from raise_hpo.predict.last import LastValue
from raise_hpo.predict.scale import LossScale, RobustRange


def test_features_are_configuration_curve_and_two_differences():
    units = np.array([[0.25, 0.75]])
    curves = np.array([[9.0, 4.0, 2.0, 1.0]])
    golden = [0.25, 0.75, 9.0, 4.0, 2.0, 1.0, -5.0, -2.0, -1.0, 3.0, 1.0]
    assert features(units, curves).tolist() == [golden]


@pytest.mark.parametrize(("known", "width"), [(1, 1), (2, 3), (3, 6), (25, 72)])
def test_short_curves_have_fewer_differences(known, width):
    assert features(np.empty((4, 0)), np.ones((4, known))).shape == (4, width)


@pytest.mark.parametrize(
    ("share", "epochs", "known"), [(0.25, 100, 25), (0.0, 100, 1), (1.0, 100, 99), (0.25, 2, 1), (0.5, 1, 1)]
)
def test_some_epochs_are_known_and_some_are_left(share, epochs, known):
    assert known_epochs(share, epochs) == known


# Losses that differ by less than a billionth are alike; differences near the smallest float overflow in scikit-learn.
LOSSES = arrays(float, st.integers(2, 40), elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 9)))


@given(LOSSES)
def test_a_loss_scale_keeps_order_and_can_be_inverted(losses):
    scale = LossScale(losses)
    ordered = np.sort(losses)
    levels = scale(ordered)
    assert ((levels >= -1e-12) & (levels <= 1 + 1e-12)).all()
    assert (np.diff(levels) >= -1e-12).all()
    width = max(np.ptp(losses), 1e-9)
    assert np.abs(scale.inverse(levels) - ordered).max() <= 1e-6 * width + 1e-12


def test_a_loss_scale_is_half_place_and_half_value():
    scale = LossScale(np.array([0.0, 1.0, 2.0, 3.0, 100.0]))
    assert scale(np.array([1.0]))[0] == pytest.approx(0.5 * 0.25 + 0.5 * 0.01)


def test_one_diverged_trial_does_not_squeeze_the_others():
    rows = np.linspace(0, 1, 21)[:, None]
    rows[-1] = 1e6
    scaled = RobustRange(rows)(rows)
    assert np.ptp(scaled[:-1]) > 0.3


def test_retrainings_of_a_configuration_share_a_fold():
    units = np.repeat(np.random.default_rng(0).random((30, 3)), 3, axis=0)
    fold = folds(units, 1).reshape(30, 3)
    assert (fold == fold[:, :1]).all()
    assert set(fold[:, 0]) == set(range(FOLDS))


def test_held_out_predictions_never_saw_their_configuration():
    seen = []

    class Spy(LastValue):
        def fit(self, units, curves, finals):
            seen.append({tuple(unit) for unit in units})
            return self

        def expect(self, units, curves):
            assert seen[-1].isdisjoint(tuple(unit) for unit in units)
            return super().expect(units, curves)

    units = np.repeat(np.random.default_rng(0).random((12, 2)), 2, axis=0)
    curves = np.random.default_rng(1).random((24, 3))
    assert (held_out(Spy, units, curves, curves[:, 0], 3) == curves[:, -1]).all()
    assert len(seen) == FOLDS
