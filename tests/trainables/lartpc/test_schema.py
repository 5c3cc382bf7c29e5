"""Event files: what is written is read, at a hundredth of the raw size, and mistakes are told."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raise_hpo.errors import UserError
from tests.trainables.lartpc import fakes
from trainables.lartpc.readout import Window, dense, expose, read_out
from trainables.lartpc.schema import ROW_GROUP, Event, open_events, provenance, write_events
from trainables.lartpc.simulate import simulate


def same(event, other):
    for name in ("pixels", "values"):
        np.testing.assert_array_equal(getattr(event.image, name), getattr(other.image, name))
    assert (event.label, event.pdg) == (other.label, other.pdg)
    np.testing.assert_array_equal([event.momentum, event.deposited], np.float32([other.momentum, other.deposited]))


def test_events_are_read_as_they_were_written(tmp_path):
    given = [fakes.event(i) for i in range(ROW_GROUP + 3)]
    given[5] = Event(given[5].image, 0)
    assert write_events(iter(given), tmp_path / "e.parquet", (3, 81, 81), {"seed": 4}) == len(given)
    files = open_events(tmp_path / "e.parquet")
    assert len(files) == len(given) and files.shape == (3, 81, 81)
    assert provenance(files.files[0]) == {"seed": 4, "shape": [3, 81, 81]}
    for event, other in zip(files.events(), given, strict=True):
        same(event, other)
    assert np.isnan(list(files.events(6))[5].momentum)
    assert len(list(files.events(2))) == 2
    assert pq.ParquetFile(tmp_path / "e.parquet").metadata.row_group(0).num_rows == ROW_GROUP


def test_an_event_without_pixels_is_kept(tmp_path):
    empty = fakes.event(0).image._replace(pixels=np.empty(0, np.int32), values=np.empty(0, np.int16))
    write_events([Event(empty, 3), fakes.event(1)], tmp_path / "e.parquet", (3, 81, 81), {})
    first, second = open_events(tmp_path / "e.parquet").events()
    assert len(first.image.pixels) == 0 and first.label == 3
    same(second, fakes.event(1))


def test_full_images_are_kept_at_less_than_a_thousandth(tmp_path):
    window, rng, events = Window(3600, 1, 8 / 3), np.random.default_rng(1), []
    for label, pdg in enumerate((22, 11, 13, 211, 321)):
        image = read_out(expose(simulate(pdg, 600.0, rng), np.zeros(3), window), window, rng)
        events.append(Event(image, label))
    write_events(events, tmp_path / "e.parquet", window.shape, {})
    raw = 4 * np.prod(window.shape) * len(events)
    assert raw / (tmp_path / "e.parquet").stat().st_size > 1000
    (read,) = open_events(tmp_path / "e.parquet").events(1)
    np.testing.assert_array_equal(dense(read.image, window.shape), dense(events[0].image, window.shape))


def test_a_folder_and_a_list_are_read_in_order(tmp_path):
    names = [fakes.written(tmp_path / f"{i}.parquet", 2, seed=i) for i in range(3)]
    for source, expected in ((tmp_path, [0, 1, 2]), (names[::-1], [2, 1, 0]), (f"file://{names[1]}", [1])):
        events = list(open_events(source).events())
        for i, event in enumerate(events):
            same(event, fakes.event(i % 2, seed=expected[i // 2]))
        assert len(events) == 2 * len(expected)


def changed(path, **columns):
    fakes.written(path, 2)
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.drop_columns([name])
        if values is not None:
            table = table.append_column(name, values)
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"values": None}, r"has no column 'values'; .*valid: pixels"),
        ({"label": pa.array([0.0, 1.0])}, "column 'label' .* has type double, it should be int8"),
        ({"label": pa.array([0, 5], pa.int8())}, r"'label' .* is 5; valid: \[0, 1, 2, 3, 4\]"),
        ({"values": pa.array([[1], [2]], pa.list_(pa.int16()))}, "'pixels' and 'values' differ in length"),
        (
            {
                "pixels": pa.array([[3 * 81 * 81], [0]], pa.list_(pa.int32())),
                "values": pa.array([[1], [2]], pa.list_(pa.int16())),
            },
            "points outside of images",
        ),
    ],
)
def test_damaged_files_are_told(tmp_path, columns, words):
    with pytest.raises(UserError, match=words) as error:
        list(open_events(changed(tmp_path / "e.parquet", **columns)).events())
    assert "e.parquet" in str(error.value)


@pytest.mark.parametrize("shape", [None, [3, 81], [3, 0, 81], "large"])
def test_a_file_that_does_not_tell_its_shape_is_told(tmp_path, shape):
    fakes.written(tmp_path / "e.parquet", 2)
    known = {} if shape is None else {"lartpc": json.dumps({"shape": shape})}
    table = pq.read_table(tmp_path / "e.parquet").replace_schema_metadata(known)
    pq.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(UserError, match=r"e\.parquet' does not tell the shape"):
        open_events(tmp_path / "e.parquet")


def test_files_of_different_shapes_are_told(tmp_path):
    names = [fakes.written(tmp_path / f"{size}.parquet", 1, size=size) for size in (81, 90)]
    with pytest.raises(UserError, match=r"90\.parquet' have the shape \(3, 90, 90\)"):
        open_events(names)


def test_missing_and_truncated_files_are_told(tmp_path):
    with pytest.raises(UserError, match=r"none\.parquet"):
        open_events(tmp_path / "none.parquet")
    path = tmp_path / "e.parquet"
    fakes.written(path, 3)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        open_events(path)


def test_interrupted_writing_leaves_no_file(tmp_path):
    def events():
        yield fakes.event(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_events(events(), tmp_path / "e.parquet", (3, 81, 81), {})
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"cannot write .*nowhere"):
        write_events([], tmp_path / "nowhere" / "e.parquet", (3, 81, 81), {})
