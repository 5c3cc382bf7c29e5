"""From deposits to images: charge kept, places right, and sparse noise the same as noise everywhere."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from trainables.lartpc.readout import (
    GAIN,
    PLANES,
    THRESHOLD,
    Sparse,
    Window,
    charge,
    clipped,
    dense,
    expose,
    project,
    read_out,
    sparse,
    surviving,
)


def points(count, spread, seed=1):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(0, spread, (count, 3)), rng.uniform(0.1, 1, count), np.full(count, 2.2)])


def test_dense_tracks_lose_charge_to_recombination():
    shares = surviving(np.array([0.0, 2.1, 10.0, 30.0]))
    assert shares[0] == 0.8 and (np.diff(shares) < 0).all()
    assert shares[1] == pytest.approx(0.63, abs=0.01)
    deposits = points(3, 1)
    assert charge(deposits) == pytest.approx(GAIN * deposits[:, 3] * surviving(deposits[:, 4]))


@pytest.mark.parametrize("window", [Window(256), Window(64, 4, 24.0), Window(512, 1, 8 / 3)])
def test_charge_is_kept_on_every_plane(window):
    deposits = points(200, 5.0)
    image = expose(deposits, np.zeros(3), window)
    assert (np.diff(image.pixels) > 0).all()
    planes = np.bincount(image.pixels // window.size**2, image.values, minlength=3)
    assert planes == pytest.approx([charge(deposits).sum()] * len(PLANES), rel=1e-9)


def test_places_on_the_planes():
    window = Window(100)
    along_drift, up, along_beam = np.eye(3) * 3.0
    width = window.pixel[0]
    np.testing.assert_allclose(project(along_drift[None], window)[:, 0], [[3 / width, 0]] * 3)
    np.testing.assert_allclose(project(along_beam[None], window)[:, 0, 1], [5, 5, 10])
    wires = project(up[None], window)[:, 0, 1]
    np.testing.assert_allclose(wires, [10 * np.sqrt(0.75), -10 * np.sqrt(0.75), 0], atol=1e-9)


def test_a_point_is_spread_over_its_neighbours():
    window = Window(33)
    image = np.zeros(window.shape)
    found = expose(np.array([[0.01, 0, 0.01, 1.0, 2.2]]), np.zeros(3), window)
    image.reshape(-1)[found.pixels] = found.values
    shares = image[2] / image[2].sum()
    assert np.unravel_index(shares.argmax(), shares.shape) == (16, 16)
    offsets = np.arange(33) - 16
    spread = [np.sqrt(shares.sum(1 - axis) @ offsets**2) for axis in (0, 1)]
    # A pixel's own width adds to the spread of the charge.
    expected = [np.hypot(0.2 / window.pixel[0], 12**-0.5), np.hypot(0.135 / 0.3, 12**-0.5)]
    assert spread == pytest.approx(expected, rel=0.15)


def test_charge_outside_of_the_image_is_not_seen():
    far = points(20, 0.1) + np.array([0, 0, 1000.0, 0, 0])
    image = expose(far, np.zeros(3), Window(64))
    assert len(image.pixels) == 0
    noisy = read_out(image, Window(64), np.random.default_rng(1))
    assert len(noisy.pixels) < 30


def test_sparse_noise_is_noise_everywhere_above_the_threshold():
    window, rng = Window(512), np.random.default_rng(2)
    empty = Sparse(np.empty(0, np.int32), np.empty(0))
    found = np.concatenate([read_out(empty, window, rng).values for _ in range(40)])
    everywhere = rng.normal(0, window.noise, (40, 3 * 512**2))
    kept = np.rint(everywhere[np.abs(everywhere) >= THRESHOLD * window.noise])
    assert len(found) == pytest.approx(len(kept), abs=5 * np.sqrt(2 * len(kept)))
    assert ks_2samp(found, kept).pvalue > 1e-3
    assert np.abs(found).min() >= THRESHOLD * window.noise - 0.5


def test_noise_is_added_to_charge_and_small_charge_is_suppressed():
    window, rng = Window(64), np.random.default_rng(3)
    charged = np.arange(3000, dtype=np.int32)
    image = dense(read_out(Sparse(charged, np.full(3000, 50.0)), window, rng), window.shape).reshape(-1)[:3000]
    assert image.mean() == pytest.approx(50, abs=0.2) and image.std() == pytest.approx(window.noise, rel=0.06)
    faint = dense(read_out(Sparse(charged, np.full(3000, 2.0)), window, rng), window.shape).reshape(-1)[:3000]
    assert (faint != 0).mean() < 0.01


def test_noise_of_larger_pixels_is_larger():
    assert Window(64, 4, 24.0).noise == pytest.approx(4 * Window(64).noise)


def test_sparse_and_dense_are_inverse():
    rng = np.random.default_rng(4)
    image = np.where(rng.uniform(size=(3, 20, 30)) < 0.1, rng.integers(-300, 3000, (3, 20, 30)), 0).astype(np.int16)
    np.testing.assert_array_equal(dense(sparse(image), (3, 20, 30)), image)
    assert clipped(np.array([1e6, -1e6, 2.6])).tolist() == [32767, -32768, 3]
