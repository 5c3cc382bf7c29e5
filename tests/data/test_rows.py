from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from raise_hpo.data import open_rows
from raise_hpo.data.columns import Ragged
from raise_hpo.data.mapped import MappedRows
from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError

from .remote import serving_folder
from .tables import COLUMNS, table, write

NUMBER = {"number": ()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.parquet", [5, 3, 4])


def check(batch: dict, numbers: list[int]) -> None:
    """A batch holds these rows, all columns of them."""
    assert batch["number"].tolist() == numbers
    expected = torch.tensor(numbers)[:, None, None] + torch.arange(6).view(2, 3) / 10
    torch.testing.assert_close(batch["image"], expected, rtol=1e-6, atol=0, check_dtype=False)
    hits = batch["hits"]
    assert isinstance(hits, Ragged) and hits.lengths.tolist() == [n % 4 for n in numbers]
    assert hits.values.tolist() == [[n, i] for n in numbers for i in range(n % 4)]


@pytest.mark.parametrize("cached", [False, True])
def test_rows_come_in_any_order(file: Path, tmp_path: Path, cached: bool) -> None:
    rows = open_rows(file, COLUMNS, cache=tmp_path / "cache" if cached else None)
    assert isinstance(rows, MappedRows) and len(rows) == 12
    check(rows[[7, 0, 11, 7]], [7, 0, 11, 7])
    check(rows[4:9], [4, 5, 6, 7, 8])
    check(rows[2], [2])
    check(rows[[]], [])


def test_what_a_process_has_read_it_does_not_read_again_unless_the_file_changes(file: Path) -> None:
    assert open_rows(file, COLUMNS).columns is open_rows(file, COLUMNS).columns
    before = open_rows(file, NUMBER)
    write(file, [2], first=40)
    assert open_rows(file, NUMBER)[:]["number"].tolist() == [40, 41] and len(before) == 12


def test_a_node_has_one_copy_that_others_map(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = (open_rows(file, COLUMNS, cache=cache).columns["image"].values for _ in range(2))
    assert first.base is not None and isinstance(first.base, np.memmap) and not first.flags.writeable
    assert first.base.filename == second.base.filename
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1
    open_rows(file, NUMBER, cache=cache)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("gib", [4.0, 0.0])
def test_the_first_rows_only(file: Path, gib: float) -> None:
    rows = open_rows(file, NUMBER, most=7, memory_gib=gib)
    assert len(rows) == 7
    if isinstance(rows, StreamedRows):
        plan = rows.plan(10, 1, 0, 1, shuffle=False)
        [batch] = rows.batches(plan, 0, 1, 0, shuffle=False)
        assert batch["number"].tolist() == list(range(7))


def test_what_does_not_fit_is_streamed(file: Path) -> None:
    assert isinstance(open_rows(file, COLUMNS, memory_gib=1e-8), StreamedRows)


@pytest.mark.parametrize(
    "source", ["{}/rows.parquet", "{}", "{}/*.parquet", "file://{}/rows.parquet", ["{}/rows.parquet"]]
)
def test_a_source_is_a_file_a_folder_a_pattern_a_url_or_a_list(file: Path, source: str | list[str]) -> None:
    named = [name.format(file.parent) for name in source] if isinstance(source, list) else source.format(file.parent)
    assert open_rows(named, NUMBER)[:]["number"].tolist() == list(range(12))


def test_files_of_a_folder_follow_each_other_by_name(file: Path) -> None:
    write(file.with_name("more.parquet"), [2], first=100)
    assert open_rows(file.parent, NUMBER)[:]["number"].tolist() == [100, 101, *range(12)]


def test_a_remote_file_is_read_where_it_lies(file: Path) -> None:
    with fsspec.open("memory://bucket/rows.parquet", "wb") as remote:
        remote.write(file.read_bytes())
    check(open_rows("memory://bucket/rows.parquet", COLUMNS)[[1, 9]], [1, 9])
    check(open_rows("memory://bucket", COLUMNS)[[1]], [1])


def test_of_a_file_over_http_only_the_named_columns_are_fetched(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).random((200_000, 40), dtype=np.float32)
    heavy = pa.FixedSizeListArray.from_arrays(pa.array(noise.ravel()), 40)
    pq.write_table(pa.table({"number": np.arange(200_000), "heavy": heavy}), tmp_path / "wide.parquet")
    with serving_folder(tmp_path) as remote:
        rows = open_rows(f"{remote.url}/wide.parquet", NUMBER)
        assert rows[[199_999]]["number"].tolist() == [199_999]
    # fsspec fetches 5 MiB at a time.
    assert remote.sent < 0.5 * (tmp_path / "wide.parquet").stat().st_size


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"numbr": ()}, "has no column 'numbr'.*'number'"),
        ({"image": (7,)}, "column 'image' of .* holds fixed_size_list.* lists of 7 numbers each"),
        ({"image": ()}, "needs numbers there"),
        ({"number": (None,)}, "needs lists of numbers there"),
        ({"hits": (None, 3)}, "needs lists of lists of 3 numbers each"),
        ({"unused": ()}, "holds string"),
    ],
)
def test_a_column_that_does_not_serve_is_named(file: Path, columns: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_rows(file, columns)


def test_what_cannot_be_read_is_told_in_a_sentence(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file '.*none.parquet'"):
        open_rows(tmp_path / "none.parquet", NUMBER)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"there is no Parquet file in '.*empty'"):
        open_rows(tmp_path / "empty", NUMBER)
    with pytest.raises(UserError, match="cannot read 'nowhere://x'"):
        open_rows("nowhere://x", NUMBER)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"'.*rows.parquet' is not a readable Parquet file"):
        open_rows(file, NUMBER)
    pq.write_table(table(0, 0), file)
    with pytest.raises(UserError, match="there are no rows"):
        open_rows(file, NUMBER)


def test_empty_places_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": [1, None, 3]}), tmp_path / "gaps.parquet")
    with pytest.raises(UserError, match=r"column 'number' of '.*gaps.parquet' has 1 empty places"):
        open_rows(tmp_path / "gaps.parquet", NUMBER)


def test_a_page_that_was_changed_on_disk_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    marked = np.full(1000, 0x5A5A5A5A, dtype=np.int32)
    pq.write_table(pa.table({"number": marked}), path, write_page_checksum=True, use_dictionary=False, compression=None)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"ZZZZZZZZ") + 4] ^= 1
    path.write_bytes(raw)
    with pytest.raises(UserError, match="not a readable Parquet file"):
        open_rows(path, NUMBER)
