"""The comparison of schedulers with and without the stopper: its studies, its pairs, its figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.errors import UserError
from tests.tiny_table import write_tiny_table

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import stopper  # noqa: E402
from search_race import tasks  # noqa: E402
from stopper_race import runs, tables  # noqa: E402

EPOCHS = 12


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_tiny_table(tmp_path / "tiny.csv", EPOCHS)


def entry(table: Path, scheduler: str, stopper_name: str, seed: int = 1) -> runs.Entry:
    (task,) = tasks.tasks(None, [table], ["nearest"])
    return runs.Entry(task, scheduler, stopper_name, seed, 2)


@pytest.mark.parametrize(
    ("epochs", "cycle", "asha"), [(100, 143, 243), (36, 49, 81), (30, 49, 81), (27, 49, 27), (12, 17, 27), (9, 17, 9)]
)
def test_there_are_whole_cycles_of_hyperband_and_enough_trials_for_asha(epochs: int, cycle: int, asha: int) -> None:
    trials = runs.trials(epochs)
    assert trials % cycle == 0
    assert trials >= asha > trials - cycle


def test_hyperband_trains_whole_cycles_and_asha_one_trial_to_the_end(table: Path) -> None:
    for scheduler in ("hyperband", "asha-stopping", "asha-promotion"):
        core, simulator = runs.simulated(entry(table, scheduler, "none"))
        assert len(core.history.trials) == runs.trials(EPOCHS)
        assert max(trial.epoch for trial in core.history.trials) == EPOCHS
        assert simulator.trained == core.history.epochs


def test_both_sides_try_the_same_configurations_and_one_trains_less(table: Path) -> None:
    cores = [runs.simulated(entry(table, "hyperband", name))[0] for name in ("none", "last")]
    configs = [[trial.config for trial in core.history.trials] for core in cores]
    assert configs[0] == configs[1]
    assert cores[1].history.epochs < cores[0].history.epochs


def test_a_record_counts_what_the_stopper_did(table: Path) -> None:
    plain, stopped = (runs.run(entry(table, "hyperband", name)) for name in ("none", "last"))
    assert (plain["judged"], plain["trusted"], plain["stopped"]) == (0, 0, 0)
    assert stopped["judged"] >= stopped["stopped"] > 0 == stopped["trusted"]
    assert stopped["least"] <= stopped["final"]
    assert stopped["seconds"] < plain["seconds"]


def test_a_warm_start_is_on_both_sides(table: Path) -> None:
    cold, warm = (runs.run(entry(table, name, "none")) for name in ("asha-promotion", "asha-warm"))
    assert (cold["epochs"], cold["seconds"]) != (warm["epochs"], warm["seconds"])
    assert cold["trials"] == warm["trials"]


def record(scheduler: str, stopper_name: str, seed: int, epochs: float, final: float = 0.1) -> dict[str, Any]:
    figures = {"epochs": epochs, "seconds": 2.0 * epochs, "final": final, "least": final, "thought": 1.0}
    counts = {"judged": 4 * (stopper_name == "svr"), "trusted": 1, "stopped": 2, "trials": 9}
    return {"task": "a", "scheduler": scheduler, "stopper": stopper_name, "seed": seed, **figures, **counts}


def test_studies_are_compared_with_those_of_their_seed_and_swift_hyperband_with_hyperband() -> None:
    records = [
        record("hyperband", "svr", 2, 70), record("hyperband", "none", 1, 100), record("hyperband", "none", 2, 100),
        record("hyperband", "svr", 1, 90), record("swift_hyperband", "none", 2, 95), record("asha", "svr", 1, 5),
    ]  # fmt: skip
    found = [
        ([one["epochs"] for one in with_it], [one["seed"] for one in with_it], [one["seed"] for one in without])
        for with_it, without in tables.pairs(records)
    ]
    assert found == [([70, 90], [2, 1], [2, 1]), ([95], [2], [2])]


def test_shares_are_of_sums_and_changes_are_paired() -> None:
    without = [record("hyperband", "none", seed, epochs, 0.1 * seed) for seed, epochs in enumerate((100, 300))]
    with_it = [record("hyperband", "svr", seed, epochs, 0.1 * seed) for seed, epochs in enumerate((50, 270))]
    assert tables.saved(with_it, without) == "20.0% (10.0% to 50.0%)"
    assert tables.wall(with_it, without) == "0.800 (0.500 to 0.900)"
    assert tables.change(with_it, without, "final") == "+0.0000 (+0.0000 to +0.0000)"
    assert "25%" in tables.line(with_it, without)


def test_the_entry_point_prints_the_table_and_runs_nothing_twice(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--curves", str(table), "--surrogate", "nearest", "--schedulers", "swift_hyperband", "--stoppers", "last"]
    given += ["--seeds", "2", "--slots", "2", "--results", str(tmp_path / "results.jsonl")]
    monkeypatch.setattr(sys, "argv", ["stopper.py", *given])
    stopper.compete(stopper.parsed())
    first = capsys.readouterr().out
    stopper.compete(stopper.parsed())
    again = capsys.readouterr().out
    assert "6/6" in first and "/6" not in again
    assert first.endswith(again) and "What this comparison leaves out" in again
    assert again.count("tiny/nearest") == 2


def test_unknown_names_are_told() -> None:
    with pytest.raises(UserError, match=r"--stoppers has 'svm'.*svr"):
        stopper.check("--stoppers", ["svm"], ["svr", "last"])
