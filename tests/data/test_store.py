from pathlib import Path

import numpy as np
import pytest

from raise_hpo.data import CompressedStore
from raise_hpo.errors import UserError


def images(count: int, seed: int = 1) -> list[np.ndarray]:
    """Mostly empty, as those of a wire chamber are."""
    rng = np.random.default_rng(seed)
    found = np.zeros((count, 3, 64, 80), np.int16)
    for image in found:
        image[rng.integers(3, size=40), rng.integers(64, size=40), rng.integers(80, size=40)] = rng.integers(1, 500, 40)
    return list(found)


def test_images_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    raw = images(6)
    store = CompressedStore.build(tmp_path / "images.b2", raw)
    assert len(store) == 6 and store.shape == (3, 64, 80) and store.dtype == np.int16
    np.testing.assert_array_equal(store[[4, 0, 4]], np.stack([raw[4], raw[0], raw[4]]))
    np.testing.assert_array_equal(CompressedStore(tmp_path / "images.b2")[range(6)], np.stack(raw))
    assert store.nbytes == 6 * raw[0].nbytes
    assert store.ratio > 20


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8"])
def test_any_type_of_number_and_other_layouts(tmp_path: Path, dtype: str) -> None:
    raw = np.random.default_rng(2).random((2, 5, 7)).astype(dtype)
    store = CompressedStore.build(tmp_path / "images.b2", (image.T for image in raw))
    np.testing.assert_array_equal(store[[0, 1]], raw.transpose(0, 2, 1))
    assert store.dtype == np.dtype(dtype)


def test_images_are_taken_one_at_a_time(tmp_path: Path) -> None:
    alive: list[int] = []

    def stream():
        for number, image in enumerate(images(5)):
            alive.append(number)
            yield image

    CompressedStore.build(tmp_path / "images.b2", stream())
    assert alive == [0, 1, 2, 3, 4]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image 1 is \(4, 4\) of int16, the first one \(3, 64, 80\) of int16"):
        CompressedStore.build(tmp_path / "images.b2", [images(1)[0], np.zeros((4, 4), np.int16)])
    with pytest.raises(UserError, match="no images"):
        CompressedStore.build(tmp_path / "images.b2", [])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no image store"):
        CompressedStore(tmp_path / "none.b2")
    (tmp_path / "text").write_text("not a store at all, but long enough to be looked at " * 9)
    with pytest.raises(UserError, match="is not an image store"):
        CompressedStore(tmp_path / "text")
