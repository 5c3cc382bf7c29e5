from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raise_hpo.data import footers, open_rows
from raise_hpo.data.footers import footer_of
from raise_hpo.data.locations import locate
from raise_hpo.data.sources import find_parquet
from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError

from .remote import Remote, serving_folder
from .tables import COLUMNS, write

FILES = ["/a.parquet", "/b.parquet", "/c.parquet"]
# Streamed, so that opening reads footers and nothing else.
opened = partial(open_rows, columns=COLUMNS, memory_gib=0)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    (tmp_path / "there").mkdir()
    for number, name in enumerate(FILES):
        write(tmp_path / f"there{name}", [3, 2], first=5 * number)
    with serving_folder(tmp_path / "there") as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def urls(remote: Remote) -> list[str]:
    return [remote.url + name for name in FILES]


def as_another_process() -> None:
    """Forget what this one has in memory."""
    footers._held.cache_clear()


def write_alike(place: Any, first: int) -> None:
    """A file of five numbered rows that takes the same bytes whatever the first one is."""
    plain = pa.table({"number": np.arange(first, first + 5)})
    pq.write_table(plain, place, compression=None, use_dictionary=False)


def numbers(rows: object) -> list[int]:
    assert isinstance(rows, StreamedRows)
    return rows.head(100)["number"].tolist()


def _open_and_count(source: list[str], cache: Path) -> int:
    return len(opened(source, cache=cache))


def test_a_footer_that_is_in_the_nodes_cache_is_not_read_again(remote: Remote, cache: Path) -> None:
    first = opened(urls(remote), cache=cache)
    assert remote.read() == FILES
    as_another_process()
    second = opened(urls(remote), cache=cache)
    assert sorted(remote.asked) == [("HEAD", name) for name in FILES]
    assert numbers(first) == numbers(second) == list(range(15))


def test_what_the_cache_gives_back_is_the_files_own_footer(remote: Remote, cache: Path) -> None:
    [location] = locate(urls(remote)[0])
    footer_of(location, cache)
    as_another_process()
    kept, own = footer_of(location, cache), pq.read_metadata(remote.folder / "a.parquet")
    assert kept.equals(own)
    assert kept.schema.to_arrow_schema().equals(own.schema.to_arrow_schema(), check_metadata=True)


def test_a_process_reads_a_footer_once_without_a_cache(remote: Remote) -> None:
    as_another_process()
    opened(urls(remote))
    assert remote.read() == FILES
    opened(urls(remote))
    assert remote.read() == []


def test_of_changed_files_those_alone_are_read_anew(remote: Remote, cache: Path) -> None:
    opened(urls(remote), cache=cache)
    write(remote.folder / "b.parquet", [3, 2], first=50)
    remote.asked.clear()
    changed = opened(urls(remote), cache=cache)
    assert remote.read() == ["/b.parquet"]
    as_another_process()
    again = opened(urls(remote), cache=cache)
    assert remote.read() == []
    assert numbers(changed) == numbers(again) == [*range(5), *range(50, 55), *range(10, 15)]


def test_a_folder_is_listed_each_time_and_of_new_files_alone_footers_are_read(remote: Remote, cache: Path) -> None:
    opened(remote.url, cache=cache)
    write(remote.folder / "d.parquet", [4], first=15)
    remote.asked.clear()
    rows = opened(remote.url, cache=cache)
    assert [path for path in remote.read() if path.endswith(".parquet")] == ["/d.parquet"]
    assert numbers(rows) == list(range(19))


def test_a_file_whose_changes_cannot_be_noticed_is_read_each_time(tmp_path: Path, cache: Path) -> None:
    with serving_folder(tmp_path, dated=False) as remote:
        stamps = []
        for first in (0, 7):
            write_alike(tmp_path / "a.parquet", first)
            [file] = find_parquet(f"{remote.url}/a.parquet", cache)
            assert remote.read() == ["/a.parquet"]
            stamps.append(file.stamp())
    # So that copies of the rows in the node's cache are told apart, too.
    assert stamps[0][1] == stamps[1][1] and stamps[0] != stamps[1]


def test_processes_at_once_read_each_footer_once(remote: Remote, cache: Path) -> None:
    remote.slowness = 0.3
    with get_context("spawn").Pool(2) as pool:
        assert pool.starmap(_open_and_count, [(urls(remote), cache)] * 4, chunksize=1) == [15] * 4
    assert remote.read() == FILES


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:99] + b"?" + raw[100:]])
def test_a_damaged_entry_is_made_anew(remote: Remote, cache: Path, damage) -> None:
    opened(urls(remote)[:1], cache=cache)
    [entry] = [path for path in cache.iterdir() if path.suffix != ".lock"]
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    remote.asked.clear()
    as_another_process()
    assert numbers(opened(urls(remote)[:1], cache=cache)) == list(range(5))
    assert entry.read_bytes() == whole
    as_another_process()
    remote.asked.clear()
    opened(urls(remote)[:1], cache=cache)
    assert remote.read() == []


def test_a_cache_that_cannot_be_written_is_done_without(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    as_another_process()
    assert len(opened(urls(remote), cache=tmp_path / "file" / "cache")) == 15


def test_a_file_that_is_no_parquet_is_told_of_each_time_and_not_kept(remote: Remote, cache: Path) -> None:
    (remote.folder / "a.parquet").write_bytes(b"not a table" * 20)
    for _ in range(2):
        with pytest.raises(UserError, match=r"a\.parquet' is not a readable Parquet file"):
            opened(urls(remote)[:1], cache=cache)
    write(remote.folder / "a.parquet", [2])
    assert len(opened(urls(remote)[:1], cache=cache)) == 2


def test_a_stream_asks_for_the_size_of_no_file_again(remote: Remote, cache: Path) -> None:
    rows = opened(urls(remote), cache=cache)
    remote.asked.clear()
    rows.groups.read(range(len(rows.groups.groups)))
    assert {method for method, _ in remote.asked} == {"GET"}


def test_of_a_link_in_a_folder_the_change_of_what_it_points_to_is_noticed(tmp_path: Path, cache: Path) -> None:
    target = write(tmp_path / "target.parquet", [5])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link.parquet").symlink_to(target)
    assert numbers(opened(tmp_path / "folder", cache=cache)) == [0, 1, 2, 3, 4]
    write(target, [5], first=7)
    assert numbers(opened(tmp_path / "folder", cache=cache)) == [7, 8, 9, 10, 11]


def test_a_change_of_the_same_size_is_noticed_where_there_is_only_a_time_of_creation(cache: Path) -> None:
    sizes = set()
    for first in (0, 7):
        with fsspec.open("memory://changing/rows.parquet", "wb") as remote:
            write_alike(remote, first)
        for source in ("memory://changing/rows.parquet", "memory://changing", "memory://changing/*.parquet"):
            rows = open_rows(source, {"number": ()}, cache, memory_gib=0)
            assert numbers(rows) == list(range(first, first + 5))
            sizes.add(rows.groups.groups[0].file.location.size)
    assert len(sizes) == 1
