"""Warm start: what a study takes over from earlier ones, what it costs when they mislead, and resuming it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.earlier import keep_earlier, kept_earlier, load_earlier
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search.warm import SOURCE, WarmStart, chains
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec, load_study_file

from .helpers import DEFAULT, SPACE, decisions, spec
from .report.studies import make_study

OLD = SearchSpace.parse(
    {
        "lr": "loguniform(1e-5, 1.0)",
        "layers": "randint(1, 9)",
        "width": "choice([16, 32, 64, 256])",
        "conv": "choice([gnn, attention])",
        "heads": {"choice": [1, 2, 4], "when": {"conv": "attention"}},
    }
)
NEAR = SearchSpace.parse(
    {
        "lr": "loguniform(1e-4, 1e-1)",
        "layers": "randint(1, 5)",
        "width": "choice([32, 64, 128])",
        "conv": "choice([gnn, attention, mlp])",
        "bin_size": {"choice": [16, 32], "when": {"conv": "gnn"}},
        "dropout": "uniform(0, 0.5)",
        "forbidden": [{"conv": "attention", "layers": 4}],
    }
)


def table(space: SearchSpace, losses: list[list[float]], configs: list[Config] | None = None) -> CurveTable:
    configs = configs or [space.sample(np.random.default_rng([7, row])) for row in range(len(losses))]
    longest = max(map(len, losses))
    padded = np.array([[*row, *[math.nan] * (longest - len(row))] for row in losses])
    return CurveTable("old", space, configs, padded)


# What is taken over


def test_the_best_of_those_that_went_furthest_come_first() -> None:
    curves = [[0.1], [0.9, 0.5], [0.9, 0.3], [0.9, 0.4], [math.inf, math.inf], [0.9, 0.6]]
    configs = [{"lr": 10.0 ** -(row + 1) / 2, "layers": 1} for row in range(len(curves))]
    space = SearchSpace.parse({"lr": "loguniform(1e-7, 1.0)", "layers": "randint(1, 5)"})
    assert chains([table(space, curves, configs)], space) == [[configs[2], configs[3], configs[1]]]


def test_equal_configurations_and_the_default_are_not_offered_twice() -> None:
    space = SearchSpace.parse(SPACE)
    one, other = {"lr": 0.01, "layers": 2}, {"lr": 0.02, "layers": 2}
    old = table(space, [[0.1], [0.2], [0.3], [0.4]], [DEFAULT, one, one, other])
    assert chains([old, old], space, DEFAULT) == [[one, other]]


@pytest.mark.parametrize("seed", range(30))
def test_configurations_of_a_near_space_are_valid_here(seed: int) -> None:
    rng = np.random.default_rng(seed)
    old = table(OLD, [[float(loss)] for loss in rng.random(12)], [OLD.sample(rng) for _ in range(12)])
    (chain,) = chains([old], NEAR, {"lr": 0.001, "dropout": 0.1})
    assert len(chain) == 3
    for config in chain:
        NEAR.check(config)
        assert config["dropout"] == 0.1


def test_values_are_moved_to_the_nearest_of_this_space() -> None:
    old = table(OLD, [[0.1]], [{"lr": 0.7, "layers": 8, "width": 256, "conv": "gnn"}])
    (chain,) = chains([old], NEAR)
    assert chain == [{"lr": 0.1, "layers": 4, "width": 128, "conv": "gnn", "bin_size": 32, "dropout": 0.25}]


def test_what_is_forbidden_here_is_left_out() -> None:
    old = table(OLD, [[0.1]], [{"lr": 0.01, "layers": 4, "width": 32, "conv": "attention", "heads": 2}])
    assert chains([old], NEAR) == []


# In a study


def run(study: StudySpec, curve: Any, earlier: list[CurveTable], **how: Any) -> list[Event]:
    events: list[Event] = []
    clock = VirtualClock()
    core = DecisionCore(study, events.extend, how.get("default"), clock=clock, earlier=earlier)
    core.begin("warm", 1, {})
    Simulator(core, curve, how.get("slots", 1), clock).run()
    return events


def slope(config: Config, epoch: int) -> dict[str, float]:
    return {"val_loss": math.log10(config["lr"]) + 1 / epoch}


def old_study(best_first: bool) -> CurveTable:
    """Three configurations; the earlier study found small learning rates best, or large ones."""
    rates = [1e-4, 2e-4, 4e-4] if best_first else [0.1, 0.08, 0.06]
    return table(SearchSpace.parse(SPACE), [[0.1], [0.2], [0.3]], [{"lr": rate, "layers": 1} for rate in rates])


def tried(events: list[Event]) -> list[float]:
    return [event["config"]["lr"] for event in events if event["event"] == "suggested" and event["source"] == SOURCE]


def test_a_helpful_study_is_followed() -> None:
    events = run(spec(), slope, [old_study(best_first=True)], default=DEFAULT)
    assert tried(events) == [1e-4, 2e-4, 4e-4]
    history = History(events)
    assert [trial.source for trial in history.trials[:2]] == ["default", SOURCE]
    assert history.counts()["total"] == 20
    best = history.best()
    assert best is not None and best.source == SOURCE


def test_a_misleading_study_costs_one_trial() -> None:
    assert tried(run(spec(), slope, [old_study(best_first=False)], default=DEFAULT)) == [0.1]


def test_each_study_is_asked_in_turn_and_no_more_than_five_are_tried() -> None:
    def moved(factor: float) -> CurveTable:
        rates = [{"lr": 1e-4 * factor * (1 + row), "layers": 1} for row in range(3)]
        return table(SearchSpace.parse(SPACE), [[0.1], [0.2], [0.3]], rates)

    order = tried(run(spec(), slope, [moved(1.0), moved(1.1), moved(1.2)]))
    assert order[:3] == pytest.approx([1e-4, 1.1e-4, 1.2e-4]) and len(order) == 5


def test_a_trial_that_breaks_is_not_followed() -> None:
    def breaks(config: Config, epoch: int) -> dict[str, float]:
        return {"val_loss": math.nan} if config["lr"] == 1e-4 else slope(config, epoch)

    assert tried(run(spec(), breaks, [old_study(best_first=True)])) == [1e-4]


@pytest.mark.parametrize("scheduler", [{"asha": {"mode": "promotion"}}, "hyperband", "none"])
def test_killed_anywhere_and_resumed_it_decides_the_same(scheduler: Any) -> None:
    study, earlier = spec(scheduler=scheduler, budget={"trials": 12}), [old_study(best_first=True)]
    undisturbed, rng = run(study, slope, earlier), random.Random(5)
    events: list[Event] = []
    done = False
    while not done:
        more: list[Event] = []
        clock = VirtualClock(events[-1]["time"] if events else 0.0)
        core = DecisionCore(study, more.extend, None, clock=clock, events=list(events), earlier=earlier)
        core.go_on(1) if events else core.begin("warm", 1, {})
        done = Simulator(core, slope, 1, clock).run(reports=rng.randrange(2, 9))
        events += more
        if not done:
            del events[len(events) - rng.randrange(3) :]
    assert decisions(events) == decisions(undisturbed)


def test_an_offer_is_the_same_for_one_that_was_there_all_the_time() -> None:
    space, earlier = SearchSpace.parse(SPACE), [old_study(best_first=True)]
    events = run(spec(), slope, earlier)
    there, history = WarmStart(earlier, space, None, (1, 3), 9), History()
    for event in events:
        if event["event"] == "suggested":
            anew = WarmStart(earlier, space, None, (1, 3), 9)
            assert there.next(history) == anew.next(history)
        history.apply(event)


# What it costs and gains, over many studies


WIDE = {
    "lr": "loguniform(1e-4, 1e-1)", "dropout": "uniform(0, 0.5)", "layers": "randint(1, 6)",
    "width": "choice([16, 32, 64, 128])", "decay": "loguniform(1e-6, 1e-2)",
}  # fmt: skip
SEEDS = range(40)


class Bowl:
    """A loss with one best point of the unit cube; trainings far from its learning rate are slow."""

    def __init__(self, best: NDArray[np.float64]) -> None:
        self.best = best
        self.space = SearchSpace.parse(WIDE)

    def __call__(self, config: Config, epoch: int) -> dict[str, float]:
        unit = self.space.to_unit(config)
        away = unit - self.best
        floor = 0.02 + float((away**2 * np.array([3.0, 1.0, 0.7, 0.5, 0.5])).sum())
        ripple = 0.01 * math.sin(97 * float(unit.sum()) + epoch)
        return {"val_loss": floor + math.exp(-epoch / (2 + 6 * abs(away[0]))) + ripple}

    def study(self, seed: int) -> CurveTable:
        """40 random trainings."""
        rng = np.random.default_rng(seed)
        configs = [self.space.sample(rng) for _ in range(40)]
        return table(
            self.space, [[self(config, epoch)["val_loss"] for epoch in range(1, 28)] for config in configs], configs
        )


def progress(kind: str, seed: int) -> NDArray[np.float64]:
    """The logarithm of the best loss after each epoch trained."""
    rng = np.random.default_rng([99, seed])
    best = rng.uniform(0.15, 0.85, 5)
    earlier = {
        "cold": [],
        "near": [Bowl(np.clip(best + rng.normal(0, 0.05, 5), 0, 1))],
        "misleading": [Bowl(np.where(best > 0.5, 0.0, 1.0))],
    }[kind]
    study = spec(search_space=WIDE, max_epochs=27, budget={"epochs": 300}, seed=seed, default=False)
    events = run(study, Bowl(best), [bowl.study(seed) for bowl in earlier], slots=4)
    losses = [event["metrics"]["val_loss"] for event in events if event["event"] == "reported"]
    return np.log(np.minimum.accumulate(losses))[:300]


@pytest.fixture(scope="module")
def mean_progress() -> dict[str, NDArray[np.float64]]:
    return {kind: np.mean([progress(kind, seed) for seed in SEEDS], axis=0) for kind in ("cold", "near", "misleading")}


def epochs_to(level: float, mean: NDArray[np.float64]) -> int:
    return int(np.argmax(mean <= level)) + 1 if (mean <= level).any() else 10 * len(mean)


def test_a_misleading_study_costs_a_tenth_at_most(mean_progress: dict[str, NDArray[np.float64]]) -> None:
    assert epochs_to(mean_progress["cold"][239], mean_progress["misleading"]) <= 1.1 * 240


def test_a_near_study_saves_a_third_at_least(mean_progress: dict[str, NDArray[np.float64]]) -> None:
    assert epochs_to(mean_progress["cold"][239], mean_progress["near"]) <= 160


# Files and messages


def test_curves_are_kept_for_a_resume(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    first = table(NEAR, [[0.5, 0.25], [0.75]], [NEAR.sample(rng) for _ in range(2)])
    tables = [first, old_study(best_first=True)] * 6
    keep_earlier(StudyFolder(tmp_path), tables)
    kept = kept_earlier(StudyFolder(tmp_path))
    assert [each.name for each in kept] == ["old"] * 12
    for each, written in zip(kept, tables, strict=True):
        assert each.space == written.space and each.configs == written.configs
        assert np.array_equal(each.losses, written.losses, equal_nan=True)
    assert kept_earlier(StudyFolder(tmp_path / "none")) == ()


def test_names_and_paths_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path / "studies" / "mlpf-1", reports=5)
    (tmp_path / "sub").mkdir()
    file = tmp_path / "sub" / "study.yaml"
    file.write_text("trainable: mlpf\nsearch_space: mlpf\nwarm_start: [mlpf-1, ../x/curves.csv, ./other]\n")
    study = load_study_file(file)
    expected = [f"{tmp_path}/studies/mlpf-1", f"{tmp_path}/x/curves.csv", f"{tmp_path}/sub/other"]
    assert study.warm_start == expected
    monkeypatch.chdir("/")
    again = StudySpec.model_validate(json.loads(json.dumps(study.resolved())))
    assert again.warm_start == expected and again == study
    assert spec(warm_start="x.parquet").warm_start == ["/x.parquet"]
    assert load_study_file(file, ["warm_start=[]"]).warm_start == []


def test_an_earlier_study_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = make_study(tmp_path / "studies" / "mlpf-1")
    (earlier,) = load_earlier(spec(warm_start=["mlpf-1"]))
    history = folder.history()
    best = min((trial for trial in history.trials if trial.epoch == 9), key=lambda trial: trial.value or math.inf)
    ((first, *_),) = chains([earlier], SearchSpace.parse({"lr": "loguniform(1e-4, 3e-2)"}))
    assert first == {"lr": best.config["lr"]}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("mlfp-1", r"warm_start cannot be used: no study 'mlfp-1' in studies/: did you mean 'mlpf-1'\?"),
        (3, r"warm_start is 3, but must be a list of studies and of .csv or .parquet tables of curves"),
        (["a", ""], r"warm_start is \['a', ''\], but must be a list of studies"),
        ("void", r"warm_start: study void: no trial has reported an epoch"),
        ("gone.csv", r"warm_start: .*/gone.csv: there is no such file"),
        ("./gone", r"warm_start: no study '.*/gone'"),
        ("far.csv", r"warm_start: far has no dimension in common with this study's search space; it has depth, beta$"),
    ],
)
def test_sources_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path / "studies" / "mlpf-1", reports=5)
    make_study(tmp_path / "studies" / "void", reports=0)
    (tmp_path / "far.csv").write_text("depth,beta,loss_0\n1,0.5,0.3\n2,0.6,0.4\n")
    with pytest.raises(UserError, match=says) as error:
        load_earlier(spec(warm_start=source))
    assert "\n" not in str(error.value)
