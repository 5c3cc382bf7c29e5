import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from raise_hpo.data import node_copy


def _copy(cache: Path) -> str:
    def make(path: Path) -> None:
        with (cache / "made").open("a") as made:
            made.write("once\n")
        time.sleep(0.2)
        path.write_text("whole")

    return node_copy(cache, ["events", 3], make).read_text()


def test_processes_at_once_make_it_once(tmp_path: Path) -> None:
    with get_context("fork").Pool(4) as pool:
        assert pool.map(_copy, [tmp_path] * 4) == ["whole"] * 4
    assert (tmp_path / "made").read_text() == "once\n"


def test_threads_too(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_copy, [tmp_path] * 4)) == ["whole"] * 4
    assert (tmp_path / "made").read_text() == "once\n"


def test_other_data_have_another_copy(tmp_path: Path) -> None:
    one, other = (node_copy(tmp_path, key, lambda path: path.mkdir()) for key in (["a"], ["b"]))
    assert one != other and one.is_dir() and other.is_dir()


def test_a_failure_leaves_nothing_and_the_next_one_tries_again(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        node_copy(tmp_path, "key", fail)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert node_copy(tmp_path, "key", lambda path: path.write_text("whole") and None).read_text() == "whole"


def test_the_public_names_are_found_whatever_was_imported_before() -> None:
    import raise_hpo.data.rows  # noqa: F401 - brings in most submodules
    from raise_hpo import data

    assert all(callable(getattr(data, name)) for name in data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'open_row'"):
        _ = data.open_row
