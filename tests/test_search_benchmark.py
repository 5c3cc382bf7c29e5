"""The race of searchers and schedulers: its loop, its results file, its tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from tests.tiny_table import write_tiny_table

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import search  # noqa: E402
from search_race import contestants, runs, tables, tasks  # noqa: E402
from search_race.axes import Axes  # noqa: E402
from search_race.loop import Job, race  # noqa: E402

EPOCHS = 9


class Curves:
    """Losses that fall to the configuration's floor; an epoch takes as many seconds as the configuration says."""

    def curve(self, config: dict[str, Any]) -> np.ndarray:
        return config["floor"] + 1.0 / np.arange(1, EPOCHS + 1)

    def seconds(self, config: dict[str, Any]) -> float:
        return float(config["seconds"])


class Scripted:
    """Trains given configurations one after the other, each for as long as it may; keeps what it was told."""

    def __init__(self, *configs: dict[str, float], until: int = EPOCHS) -> None:
        self.configs, self.until = list(configs), until
        self.begun: list[float] = []
        self.told: list[tuple[int, int, float, float]] = []

    def next(self, now: float) -> Job | None:
        if len(self.begun) == len(self.configs):
            return None
        self.begun.append(now)
        return Job(len(self.begun) - 1, self.configs[len(self.begun) - 1], 0, self.until)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        self.told.append((trial, epoch, loss, now))
        return True


def test_epochs_finished_by_the_end_count_whatever_still_runs() -> None:
    contestant = Scripted({"floor": 0.0, "seconds": 1.0}, {"floor": -1.0, "seconds": 3.0})
    outcome = race(contestant, Curves(), slots=2, horizon=7.0)
    assert [(trial, epoch) for trial, epoch, _, _ in contestant.told if trial == 1] == [(1, 1), (1, 2)]
    assert outcome.epochs == len(contestant.told) == 7 + 2
    assert max(time for *_, time in contestant.told) <= 7.0
    assert outcome.best(7.0) == pytest.approx(-0.5)
    assert outcome.best(0.5) is None


def test_the_best_loss_never_rises() -> None:
    rng = np.random.default_rng(1)
    configs = [{"floor": floor, "seconds": seconds} for floor, seconds in rng.uniform(0.5, 2.0, (30, 2))]
    outcome = race(Scripted(*configs), Curves(), slots=4, horizon=60.0)
    times, losses = np.array(outcome.steps).T
    assert (np.diff(times) >= 0).all() and (np.diff(losses) < 0).all()


def test_a_free_slot_is_filled_at_once_and_a_job_ends_where_it_should() -> None:
    contestant = Scripted(*[{"floor": 0.0, "seconds": 1.0}] * 3, until=2)
    outcome = race(contestant, Curves(), slots=1, horizon=100.0)
    assert contestant.begun == [0.0, 2.0, 4.0]
    assert outcome.idle == pytest.approx(0.94)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_tiny_table(tmp_path / "tiny.csv", EPOCHS)


def entries(table: Path, seeds: int = 2, kind: str = "nearest") -> list[runs.Entry]:
    (task,) = tasks.tasks(None, [table], [kind])
    return [runs.Entry(task, 4, seed, name) for seed in range(seeds) for name in ("random", "asha")]


def test_what_a_results_file_has_is_not_run_again(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    runs.run_all(entries(table, seeds=1), results, processes=1, limit=60)
    before = results.read_text()
    results.write_text(before + '{"task": "tiny')  # a kill in the middle of a line
    runs.run_all(entries(table), results, processes=1, limit=60)
    assert "4 races, 2 of them" in capsys.readouterr().out
    assert results.read_text().startswith(before)
    records = runs.read(results)
    assert {runs.key_of(record) for record in records} == {entry.key() for entry in entries(table)}
    assert len(records) == 4


def test_the_same_seed_gives_the_same_race(table: Path) -> None:
    first, again, other = (runs.run(entry, 60) for entry in [*entries(table)[1::2][:1] * 2, entries(table)[3]])
    assert first["regret"] == again["regret"] != other["regret"]
    assert first["state"] == "done" and first["trials"] > 4


def test_a_changed_table_is_another_one(table: Path) -> None:
    before = entries(table)[0].key()
    table.write_text(table.read_text().replace("1.5\n", "1.6\n"))
    assert entries(table)[0].key() != before


def test_what_breaks_or_takes_too_long_is_recorded_and_has_no_regret(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Scripted):
        def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
            raise ValueError("cannot learn from this")

    class Slow(Scripted):
        def next(self, now: float) -> Job | None:
            while True:
                pass

    made = iter([Broken({"lr": 0.01, "layers": 2}), Slow()])
    monkeypatch.setattr(runs, "make", lambda *_: next(made))
    broken, slow = runs.run(entries(table)[0], 60), runs.run(entries(table)[0], 0.2)
    assert (broken["state"], broken["cause"]) == ("error", "ValueError: cannot learn from this")
    assert slow["state"] == "over time"
    assert "regret" not in broken and "regret" not in slow
    assert len(list(tables.left_out([broken, slow]))) == 2
    assert "random" not in "".join(tables.ratio_table([broken, slow], "curve", 1e-4))


def record(contestant: str, task: str, seed: int, regret: float) -> dict[str, Any]:
    regrets = dict.fromkeys(runs.FRACTIONS, regret)
    place = {"contestant": contestant, "task": task, "seed": seed, "slots": 4}
    return {**place, "state": "done", "regret": regrets, "seconds": 1.0, "versions": "1", "scale": [0.0, 1.0]}


def test_ratios_are_geometric_means_over_tasks_of_what_both_sides_ran_with_one_floor() -> None:
    theirs = [record("peer", "a", 1, 0.4), record("peer", "a", 2, 0.1), record("peer", "b", 1, 0.0)]
    own = [record("curve", "a", 1, 0.1), record("curve", "a", 2, 0.1), record("curve", "b", 1, -0.3)]
    own += [record("curve", "a", 3, 1e-9)]
    logs = tables.log_ratios(theirs, own, floor=0.01)
    assert [np.exp(each).round(6).tolist() for each in logs] == [[4.0, 1.0], [1.0]]
    mean, bound = tables.geometric_mean(logs)
    assert mean == pytest.approx(np.sqrt(2.0))  # 2 in task a, 1 in task b
    assert bound == pytest.approx(1.0)


def test_the_tables_show_each_contestant_and_say_what_is_missing() -> None:
    records = [record(name, "a", seed, 0.01 * seed) for name in ("curve", "peer") for seed in range(1, 5)]
    text = "\n".join([*tables.regret_table(records), *tables.ratio_table(records, "curve", 1e-4)])
    assert "a, 4 slots" in text
    assert "0.0250 (0.01" in text
    assert "1.00 [" in text


def test_results_of_different_states_of_the_code_are_told_apart() -> None:
    records = [record(name, "a", seed, 0.01) for name in ("curve", "peer") for seed in range(2)]
    assert not list(tables.mixed(records))
    records[0]["versions"], records[3]["scale"] = "2", [0.0, 2.0]
    surrogate, version = tables.mixed(records)
    assert "surrogate" in surrogate and "curve" in version


def test_a_slot_has_time_for_fewer_trainings_when_there_are_more() -> None:
    assert [tasks.trainings(slots) for slots in (1, 4, 16, 96, 500)] == pytest.approx([6, 6, 2.5, 1.25, 1.25])
    assert 2.5 < tasks.trainings(8) < 6


def test_peers_are_told_the_space_in_their_terms_and_understood() -> None:
    space = SearchSpace.parse(
        {
            "lr": "loguniform(1e-4, 1e-1)", "steps": "quniform(10, 200, 10)", "width": "choice([8, 16, 64])",
            "conv": "choice([gnn, attention, none])", "fixed": "choice([3])",
        }
    )  # fmt: skip
    axes = Axes(space)
    assert [(axis.kind, axis.log) for axis in axes] == [
        ("real", True), ("whole", False), ("whole", False), ("category", False),
    ]  # fmt: skip
    assert [axis.bounds for axis in axes[:3]] == [(1e-4, 1e-1), (1, 20), (0, 2)]
    config = axes.config({"x0": 0.2, "x1": np.int64(3), "x2": 2, "x3": np.str_(axes[3].labels[1])})
    assert config == {"lr": 0.1, "steps": 30, "width": 64, "conv": "attention", "fixed": 3}
    assert space.contains(config)


def test_peers_propose_all_values_and_inactive_ones_are_dropped() -> None:
    space = {"conv": "choice([gnn, none])", "bins": {"choice": [1, 2], "when": {"conv": "gnn"}}}
    axes = Axes(SearchSpace.parse(space))
    assert axes.config({"x0": "choice0", "x1": 1}) == {"conv": "gnn", "bins": 2}
    assert axes.config({"x0": "choice1", "x1": 1}) == {"conv": "none"}
    with pytest.raises(UserError, match="forbidden"):
        Axes(SearchSpace.parse({**space, "forbidden": [{"conv": "none"}]}))


def test_all_of_ours_are_studies_that_race_and_unknown_names_are_told() -> None:
    assert contestants.missing("asha") is None
    with pytest.raises(UserError, match=r"'ahsa'.*asha"):
        contestants.missing("ahsa")
    with pytest.raises(UserError, match="not a file"):
        tasks.tasks(None, [Path("nowhere.csv")], ["gp"])


def test_the_entry_point_prints_both_tables_and_what_is_left_out(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.jsonl"
    given = ["--curves", str(table), "--slots", "4", "--seeds", "2", "--contestants", "random,asha", "--ours", "asha"]
    given += ["--surrogate", "nearest", "--processes", "1", "--results", str(results)]
    monkeypatch.setattr(sys, "argv", ["search.py", *given])
    search.compete(search.parsed())
    shown = capsys.readouterr().out
    assert "tiny/nearest, 4 slots" in shown
    assert "What this comparison leaves out" in shown
    assert f"raise-hpo {contestants._version('raise-hpo')}" in shown
    assert len([json.loads(line) for line in results.read_text().splitlines()]) == 4
    monkeypatch.setattr(runs, "run", lambda entry, limit: pytest.fail(f"ran {entry.key()} again"))
    for extra in (["--recorded"], []):
        monkeypatch.setattr(sys, "argv", ["search.py", *given, *extra])
        search.compete(search.parsed())
        assert shown.split("tiny/nearest, 4 slots")[1] in capsys.readouterr().out


def test_what_is_recorded_is_told_without_running_what_is_not(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--curves", str(table), "--contestants", "asha,syne-bohb", "--results", str(tmp_path / "none.jsonl")]
    monkeypatch.setattr(sys, "argv", ["search.py", *given, "--recorded"])
    search.compete(search.parsed())
    assert "does not race" not in capsys.readouterr().out
    assert not (tmp_path / "none.jsonl").exists()
