import threading
from pathlib import Path

import pytest
import torch

import raise_hpo
from raise_hpo.data import open_rows
from raise_hpo.data.columns import Column
from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError
from raise_hpo.trial.trainable import Place

from .tables import COLUMNS, write
from .test_rows import NUMBER, check

SIZES = [7, 5, 9, 6, 8, 4, 10, 3, 6, 7]


@pytest.fixture
def rows(tmp_path: Path) -> StreamedRows:
    write(tmp_path / "a.parquet", SIZES[:6])
    write(tmp_path / "b.parquet", SIZES[6:], first=sum(SIZES[:6]))
    found = open_rows(tmp_path, COLUMNS, memory_gib=0)
    assert isinstance(found, StreamedRows)
    # Windows of about three row groups.
    return StreamedRows(found.groups, window_bytes=found.groups.nbytes // 3)


def numbers(rows: StreamedRows, worker: int, workers: int, epoch: int = 0, start: int = 0) -> list[list[int]]:
    plan = rows.plan(4, 1, epoch, workers)
    return [batch["number"].tolist() for batch in rows.batches(plan, worker, 1, epoch, start=start)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_row_once_an_epoch_and_equally_many_steps(rows: StreamedRows, workers: int) -> None:
    visited = [numbers(rows, worker, workers) for worker in range(workers)]
    assert sorted(n for own in visited for batch in own for n in batch) == list(range(sum(SIZES)))
    assert len({len(own) for own in visited}) == 1


def test_a_batch_holds_all_columns_of_its_rows(rows: StreamedRows) -> None:
    for batch in rows.batches(rows.plan(4, 1, 0, 1), 0, 1, 0):
        check(batch, batch["number"].tolist())


def test_each_row_group_is_read_once_by_one_worker_and_ahead_in_another_thread(rows: StreamedRows) -> None:
    read: list[tuple[int, int, str]] = []
    for worker in range(2):

        class Watched(type(rows.groups)):
            def read(self, wanted, worker=worker) -> dict[str, Column]:
                read.extend((worker, group, threading.current_thread().name) for group in wanted)
                return super().read(wanted)

        watched = StreamedRows(Watched(rows.groups.groups, rows.groups.shapes), rows.window_bytes)
        plan = watched.plan(4, 1, 0, 2)
        for _ in watched.batches(plan, worker, 1, 0):
            pass
        assert {group for who, group, _ in read if who == worker} == set(plan.groups[worker])
    assert sorted(group for _, group, _ in read) == list(range(len(SIZES)))
    assert all(name != threading.main_thread().name for _, _, name in read)


def test_no_more_than_two_windows_are_in_memory(rows: StreamedRows) -> None:
    plan = rows.plan(4, 1, 0, 1)
    windows = rows._windows(plan.groups[0])
    assert len(windows) > 3
    read: list[int] = []

    class Watched(type(rows.groups)):
        def read(self, wanted) -> dict[str, Column]:
            read.extend(wanted)
            return super().read(wanted)

    watched = StreamedRows(Watched(rows.groups.groups, rows.groups.shapes), rows.window_bytes)
    batches = watched.batches(plan, 0, 1, 0)
    next(batches)
    batches.close()
    assert set(read) <= {group for window in windows[:2] for group in window}


def test_seed_and_epoch_decide_the_order(rows: StreamedRows) -> None:
    first = numbers(rows, 0, 2)
    assert first == numbers(rows, 0, 2)
    assert first != numbers(rows, 0, 2, epoch=1)
    flat = [n for batch in first for n in batch]
    assert flat != sorted(flat)


@pytest.mark.parametrize("start", [0, 1, 5, 100])
def test_an_epoch_can_be_entered_in_the_middle(rows: StreamedRows, start: int) -> None:
    assert numbers(rows, 1, 2, start=start) == numbers(rows, 1, 2)[start:]


def test_what_lies_before_the_position_is_not_read(rows: StreamedRows) -> None:
    plan = rows.plan(4, 1, 0, 1)
    windows = rows._windows(plan.groups[0])
    before = sum(rows._rows(window) for window in windows[:2]) // 4 + 1
    read: list[int] = []

    class Watched(type(rows.groups)):
        def read(self, wanted) -> dict[str, Column]:
            read.extend(wanted)
            return super().read(wanted)

    watched = StreamedRows(Watched(rows.groups.groups, rows.groups.shapes), rows.window_bytes)
    for _ in watched.batches(plan, 0, 1, 0, start=before):
        pass
    assert not set(read) & {group for window in windows[:2] for group in window}


def test_validation_keeps_the_order(rows: StreamedRows) -> None:
    plan = rows.plan(16, 1, 0, 1, shuffle=False)
    found = [n for batch in rows.batches(plan, 0, 1, 0, shuffle=False) for n in batch["number"].tolist()]
    assert found == list(range(sum(SIZES)))


@pytest.mark.parametrize("count", [1, 5, 17, 1000])
def test_the_first_rows_can_be_had_by_themselves(rows: StreamedRows, tmp_path: Path, count: int) -> None:
    held = open_rows(tmp_path, COLUMNS)
    for found in (rows.head(count), held.head(count)):
        check(found, list(range(min(count, sum(SIZES)))))


def test_too_few_row_groups_for_the_workers_are_told(tmp_path: Path) -> None:
    rows = open_rows(write(tmp_path / "one.parquet", [20]), NUMBER, memory_gib=0)
    assert isinstance(rows, StreamedRows)
    with pytest.raises(UserError, match="1 row groups of 20 rows are too few for 2 workers in batches of 4"):
        rows.plan(4, 1, 0, 2)
    assert rows.plan(4, 1, 0, 2, shuffle=False).rows_of(1) == 0


class Mean(raise_hpo.Trainable):
    """Learns the mean of the rows' numbers."""

    def build(self, config) -> None:
        self.model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(self.model.weight)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)

    def gradients(self, rows, batch_size) -> list[float]:
        found = []
        for batch in self.shard(rows, batch_size):
            self.step(((self.model(torch.ones(len(batch["number"]), 1))[:, 0] - batch["number"]) ** 2).mean())
            found.append(self.model.weight.grad.item())
        return found


def test_workers_with_unequal_batches_make_the_step_of_the_joint_batch(rows: StreamedRows) -> None:
    workers = [Mean(Place(rank=rank, world_size=2)) for rank in range(2)]
    for worker in workers:
        worker.build({})
    gradients = [worker.gradients(rows, 4) for worker in workers]
    plan = rows.plan(4, 1, 0, 2)
    assert plan.batches(0) != plan.batches(1)
    for step, averaged in enumerate(zip(*gradients, strict=True)):
        joint = [n for worker in range(2) for n in numbers(rows, worker, 2)[step]]
        assert sum(averaged) / 2 == pytest.approx(-2 * sum(joint) / len(joint), rel=1e-5)
    assert workers[0].samples_seen + workers[1].samples_seen == sum(SIZES)
    assert workers[0].loss_weight == 1.0
