"""Speed-up and efficiency, against figures worked out by hand."""

from __future__ import annotations

import pytest

from raise_hpo.drive.data_parallel import Timing, rows
from raise_hpo.drive.speed import Speed, speeds
from raise_hpo.slot_scaling import slot_rows
from raise_hpo.trial.shard import used_length


def test_strong_scaling_compares_times_of_the_same_work() -> None:
    assert speeds({1: 12.0, 2: 8.0, 4: 2.0}) == {
        1: Speed(1.0, 1.0, 1.0),
        2: Speed(1.5, 2.0, 0.75),
        4: Speed(6.0, 4.0, 1.5),
    }


def test_weak_scaling_counts_the_work_that_grows_with_the_workers() -> None:
    assert speeds({1: 10.0, 4: 12.5}, work_grows=True) == {1: Speed(1.0, 1.0, 1.0), 4: Speed(3.2, 4.0, 0.8)}


def test_the_fewest_are_what_is_compared_with_where_one_was_not_measured() -> None:
    assert speeds({8: 3.0, 2: 9.0}) == {2: Speed(1.0, 1.0, 1.0), 8: Speed(3.0, 4.0, 0.75)}
    assert speeds({}) == {}


def test_rows_have_means_and_spreads_and_each_mode_its_own_reference() -> None:
    found = rows(
        [
            Timing("strong", 1, 32, (8.0, 10.0, 12.0), 25.6, 1),
            Timing("weak", 2, 32, (5.0,), 51.2, 2),
            Timing("strong", 2, 16, (4.0, 6.0), None, 1),
            Timing("weak", 1, 32, (4.0,), 32.0, 1),
        ]
    )
    told = [(row["mode"], row["workers"], row["seconds"], row["spread"], row["speed_up"]) for row in found]
    assert told == [
        ("weak", 1, 4.0, None, 1.0), ("weak", 2, 5.0, None, 1.6), ("strong", 1, 10.0, 2.0, 1.0),
        ("strong", 2, 5.0, pytest.approx(2**0.5), 2.0),
    ]  # fmt: skip
    assert [row["efficiency"] for row in found] == [1.0, 0.8, 1.0, 1.0]
    assert found[1]["nodes"] == 2 and found[3]["samples_per_second"] is None


def test_simulated_slots_are_compared_with_simulated_ones() -> None:
    def taken(slots: int, how: str, seconds: float) -> dict[str, object]:
        return {"slots": slots, "how": how, "study": "s", "seconds": seconds, "epochs": 60, "busy": 0.5, "best": 1.0}

    found = slot_rows(
        [taken(1, "run", 1800.0), taken(2, "run", 1200.0), taken(1, "simulated", 2000.0), taken(4, "simulated", 500.0)]
    )
    assert [(row["how"], row["slots"], row["speed_up"], row["efficiency"]) for row in found] == [
        ("run", 1, 1.0, 1.0), ("run", 2, 1.5, 0.75), ("simulated", 1, 1.0, 1.0), ("simulated", 4, 4.0, 1.0),
    ]  # fmt: skip
    assert [row["epochs_per_hour"] for row in found] == pytest.approx([120.0, 180.0, 108.0, 432.0])


@pytest.mark.parametrize(
    ("length", "workers", "parts", "used"),
    [(103, 1, None, 103), (103, 1, 4, 25), (103, 2, 4, 50), (103, 4, 4, 100), (3, 2, 4, 2), (3, 4, 4, 3)],
)
def test_each_worker_has_one_of_equal_parts(length: int, workers: int, parts: int | None, used: int) -> None:
    assert used_length(length, workers, parts) == used
