"""Images for training: those of the file, in the order asked for, from one compressed copy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from raise_hpo.errors import UserError
from tests.trainables.lartpc import fakes
from trainables.lartpc import data as data_module
from trainables.lartpc.augment import mirrored
from trainables.lartpc.data import check_data, datasets


@pytest.fixture
def files(tmp_path):
    return {name: fakes.written(tmp_path / f"{name}.parquet", n, 100 * n) for name, n in (("train", 12), ("valid", 7))}


@pytest.mark.parametrize("planes", [1, 3])
def test_images_are_those_of_the_file_in_any_order(files, tmp_path, planes):
    train, valid = datasets(files, planes, tmp_path / "cache")
    assert (len(train), len(valid), train.shape) == (12, 7, (planes, 81, 81))
    batch = train.__getitems__([7, 2, 2])
    expected = np.stack([fakes.image(i % 5, 1200 + i)[-planes:] for i in (7, 2, 2)])
    np.testing.assert_array_equal(batch.images, expected)
    assert batch.images.dtype == torch.int16
    assert batch.labels.tolist() == [2, 2, 2] and batch.momenta.tolist() == [170, 120, 120]
    assert len(train[3]) == 1 and train[3].labels.tolist() == [3]


def test_all_datasets_of_a_node_share_one_copy(files, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    datasets(files, 1, cache)
    made = sorted(path.name for path in cache.iterdir() if path.is_dir())
    assert len(made) == 2
    monkeypatch.setattr(data_module, "_store", lambda *_: pytest.fail("made again"))
    train, _ = datasets(files, 3, cache)
    assert train.shape[0] == 3
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == made


def test_a_changed_file_is_read_again(files, tmp_path):
    cache = tmp_path / "cache"
    datasets(files, 1, cache)
    fakes.written(Path(files["train"]), 13, 5)
    train, _ = datasets(files, 1, cache)
    assert len(train) == 13
    np.testing.assert_array_equal(train[0].images[0], fakes.image(0, 5)[-1:])


def test_only_the_first_events_are_used_if_so_wanted(files, tmp_path):
    train, valid = datasets({**files, "max_events": 9}, 1, tmp_path / "cache")
    assert (len(train), len(valid)) == (9, 7)


def test_the_sample_is_there_without_a_study(tmp_path):
    train, valid = datasets({}, 1)
    assert (len(train), len(valid), train.shape) == (1000, 400, (1, 96, 96))
    assert train.store.ratio > 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tran": "x"}, "did you mean 'train'"),
        ({"valid": None}, "'train' is given without 'valid'"),
        ({"max_events": 0}, "'max_events' is 0"),
        ({"train": "nowhere.parquet"}, "nowhere.parquet"),
    ],
)
def test_a_wrong_data_section_is_told(files, changes, words):
    with pytest.raises(UserError, match=words):
        check_data({**files, **changes})


def test_files_that_do_not_go_together_are_told(files, tmp_path):
    other = fakes.written(tmp_path / "other.parquet", 3, size=90)
    with pytest.raises(
        UserError, match=r"data\.train have the shape \(3, 81, 81\), those of data\.valid \(3, 90, 90\)"
    ):
        check_data({**files, "valid": other})
    empty = fakes.written(tmp_path / "empty.parquet", 0)
    with pytest.raises(UserError, match=r"empty\.parquet' of data\.valid has no events"):
        check_data({**files, "valid": empty})


def test_mirror_images_are_flips_of_the_event():
    torch.manual_seed(1)
    images = torch.randint(-5, 300, (400, 3, 6, 8), dtype=torch.int16)
    flips = [images, images.flip(2), images.flip(3), images.flip(2, 3)]
    made = mirrored(images)
    which = torch.stack([(made == flip).flatten(1).all(1) for flip in flips])
    assert (which.sum(0) == 1).all()
    assert which.sum(1).min() > 60  # all alike often
