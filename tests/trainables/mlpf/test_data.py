import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError
from tests.trainables.mlpf import fakes
from trainables.mlpf.data import classes, datasets, events_of, load_events
from trainables.mlpf.schema import Event, write_events


def written(path: Path, *sizes: int) -> Path:
    write_events([fakes.event(size, i) for i, size in enumerate(sizes)], path, {})
    return path


def changed(path: Path, part: str, value: float) -> Path:
    """A file of one event whose first row has a wrong value in column 0."""
    event = fakes.event(10, 0)
    arrays = {"x": event.x, "ygen": event.ygen, "ycand": event.ycand}
    arrays[part][0, 0] = value
    write_events([Event(**arrays)], path, {})
    return path


def test_events_are_those_of_the_file(tmp_path: Path) -> None:
    rows = load_events(written(tmp_path / "a.parquet", 10, 25, 3))
    assert [events_of(rows[i]).sizes.tolist() for i in range(len(rows))] == [[10], [25], [3]]
    made, read = fakes.event(25, 1), events_of(rows[1])
    np.testing.assert_array_equal(read.x, made.x)
    np.testing.assert_array_equal(read.y, made.ygen)
    assert read.x.dtype == torch.float32


def test_a_batch_is_its_events_one_after_the_other(tmp_path: Path) -> None:
    rows = load_events(written(tmp_path / "a.parquet", 10, 25, 3))
    batch, parts = events_of(rows[[2, 0]]), [events_of(rows[2]), events_of(rows[0])]
    assert batch.sizes.tolist() == [3, 10]
    assert torch.equal(batch.x, torch.cat([part.x for part in parts]))
    assert torch.equal(batch.y, torch.cat([part.y for part in parts]))


def test_max_events_takes_the_first(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", 10, 25, 3)
    assert events_of(load_events(path, 2)[:]).sizes.tolist() == [10, 25]
    assert len(load_events(path, 99)) == 3


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", 10, 25)
    first = load_events(path)
    assert load_events(str(path)) is first and load_events(path, 1) is not first
    written(path, 8)
    os.utime(path, ns=(1, 1))
    assert len(load_events(path)) == 1


def test_a_folder_is_read_again_when_a_file_of_it_changes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / f"{name}.parquet", 10, 25)
    first = load_events(tmp_path)
    assert len(first) == 4 and load_events(tmp_path) is first
    written(tmp_path / "b.parquet", 8)
    assert len(load_events(tmp_path)) == 3


def test_streamed_events_are_the_same_and_weigh_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", *range(3, 40))
    held, streamed = load_events(path), load_events(path, memory_gib=0.0)
    assert isinstance(streamed, StreamedRows)
    assert torch.equal(classes(held), classes(streamed))
    plan = streamed.plan(4, 1, 0, 1)
    found = sorted(size for batch in streamed.batches(plan, 0, 1, 0) for size in events_of(batch).sizes.tolist())
    assert found == list(range(3, 40))


def test_without_data_the_sample_is_used() -> None:
    train, valid = datasets({})
    assert len(train) == 160 and len(valid) == 48
    few, _ = datasets({"max_events": 5})
    assert len(few) == 5


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"trian": "a.parquet"}, ["'trian'", "did you mean 'train'"]),
        ({"train": "a.parquet"}, ["'train' is given without 'valid'"]),
        ({"train": "/no/a.parquet", "valid": "/no/b.parquet"}, ["/no/a.parquet"]),
        ({"max_events": 0}, ["'max_events' is 0", "at least 1"]),
        ({"max_events": True}, ["'max_events' is True"]),
        ({"max_events": "all"}, ["'max_events' is 'all'"]),
    ],
)
def test_a_wrong_data_section_is_told(data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        datasets(data)
    assert all(word in str(error.value) for word in words)


def test_values_that_cannot_be_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'X' of event file .*a\.parquet.* has the type 7; valid: \[1, 2\]"):
        load_events(changed(tmp_path / "a.parquet", "x", 7))
    with pytest.raises(UserError, match=r"'ygen' of event file .* has the type 6"):
        load_events(changed(tmp_path / "b.parquet", "ygen", 6))
    with pytest.raises(UserError, match="not finite"):
        load_events(changed(tmp_path / "c.parquet", "ygen", np.inf))


def test_a_file_without_events_is_told(tmp_path: Path) -> None:
    write_events([], tmp_path / "empty.parquet", {})
    with pytest.raises(UserError, match="there are no rows"):
        load_events(tmp_path / "empty.parquet")


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", 10, 25)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        load_events(path)
