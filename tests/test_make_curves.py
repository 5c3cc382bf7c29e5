"""Learning curves that benchmarks/make_curves.py trains: resumable, the same each time, readable as a table."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import make_curves
from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace

NAME = "mlpf_training"
TINY = replace(make_curves.TASKS[NAME], epochs=2, data=3)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Training sets torch's threads to one; give the other tests theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(work: Path, rows: int = 2) -> CurveTable:
    return make_curves.make(NAME, TINY, rows, 1, work)


def test_cut_and_resumed_gives_the_same_table(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    first, second = (tmp_path / "whole" / f"{NAME}.jsonl").read_text().splitlines()
    (tmp_path / "cut").mkdir()
    cut = tmp_path / "cut" / f"{NAME}.jsonl"
    cut.write_text(f"{first}\n{second[:40]}")
    resumed = make(tmp_path / "cut")
    assert resumed.configs == whole.configs
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    assert [json.loads(line)["row"] for line in cut.read_text().splitlines()] == [0, 1]
    assert resumed.seconds[0] == whole.seconds[0]


def test_finished_rows_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make(tmp_path)
    monkeypatch.setattr(make_curves, "train", lambda *_, **__: pytest.fail("trained again"))
    np.testing.assert_array_equal(make(tmp_path).losses, table.losses)
    assert len(make(tmp_path, rows=1)) == 1


def test_order_of_finishing_does_not_matter(tmp_path: Path) -> None:
    table, work = make(tmp_path), tmp_path / f"{NAME}.jsonl"
    work.write_text("".join(f"{line}\n" for line in reversed(work.read_text().splitlines())))
    np.testing.assert_array_equal(make(tmp_path).losses, table.losses)


def test_command_writes_a_table_that_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.parquet"
    monkeypatch.setitem(make_curves.TASKS, NAME, TINY)
    monkeypatch.setattr(sys, "argv", ["make_curves.py", NAME, "--rows=2", f"--work={tmp_path}", f"--out={out}"])
    make_curves.main()
    read, made = CurveTable.read(out), make(tmp_path)
    assert read.space == SearchSpace.load(str(make_curves.CURVES / f"{NAME}.yaml"))
    assert read.configs == made.configs
    np.testing.assert_array_equal(read.losses, made.losses)
    np.testing.assert_array_equal(read.seconds, made.seconds)
    assert np.isfinite(read.losses).all() and (read.seconds > 0).all()


def test_diverged_training_is_infinite_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Diverging:
        def __init__(self, *_: object) -> None:
            self.losses = iter([2.0, 1.0, math.nan])

        def epoch(self) -> dict[str, float]:
            return {"val_loss": next(self.losses)}

    monkeypatch.setattr(make_curves, "TrialRunner", Diverging)
    row = make_curves.train((0, {}), replace(TINY, epochs=5), {})
    assert row.losses == [2.0, 1.0, math.inf, math.inf, math.inf]


def test_work_of_another_search_space_is_refused(tmp_path: Path) -> None:
    other = {"row": 0, "config": {"lr": 1.0}, "losses": [1.0, 1.0], "seconds": 1.0}
    (tmp_path / f"{NAME}.jsonl").write_text(json.dumps(other) + "\n")
    with pytest.raises(UserError, match="row 0 is of another search space"):
        make(tmp_path)


@pytest.mark.parametrize("name", make_curves.TASKS)
def test_more_rows_leave_the_first_as_they_are(name: str) -> None:
    space = SearchSpace.load(str(make_curves.CURVES / f"{name}.yaml"))
    few, many = make_curves.spread(space, 5), make_curves.spread(space, 40)
    assert len(few) == 5 and many[:5] == few
    assert len({json.dumps(config) for config in many}) == 40
    assert all(space.contains(config) for config in many)
