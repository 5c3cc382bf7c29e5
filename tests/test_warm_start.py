"""Warm start: what a study takes over from earlier ones, what it costs when they mislead, and resuming it."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.earlier import keep_earlier, kept_earlier, load_earlier
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search.transfer import Transfer
from raise_hpo.search.warm import SOURCE, WarmStart, best_of
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec, load_study_file

from .helpers import DEFAULT, SPACE, decisions, killed_and_resumed, spec
from .report.studies import make_study

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import warm_start

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
    assert best_of(table(space, curves, configs), space) == [configs[2], configs[3], configs[1]]


def test_equal_configurations_count_once() -> None:
    space = SearchSpace.parse(SPACE)
    one, other = {"lr": 0.01, "layers": 2}, {"lr": 0.02, "layers": 2}
    assert best_of(table(space, [[0.1], [0.2], [0.3]], [one, one, other]), space) == [one, other]


@pytest.mark.parametrize("seed", range(30))
def test_configurations_of_a_near_space_are_valid_here(seed: int) -> None:
    rng = np.random.default_rng(seed)
    old = table(OLD, [[float(loss)] for loss in rng.random(12)], [OLD.sample(rng) for _ in range(12)])
    best = best_of(old, NEAR, {"lr": 0.001, "dropout": 0.1})
    assert len(best) == 3
    for config in best:
        NEAR.check(config)
        assert config["dropout"] == 0.1


def test_values_are_moved_to_the_nearest_of_this_space() -> None:
    old = table(OLD, [[0.1]], [{"lr": 0.7, "layers": 8, "width": 256, "conv": "gnn"}])
    expected = {"lr": 0.1, "layers": 4, "width": 128, "conv": "gnn", "bin_size": 32, "dropout": 0.25}
    assert best_of(old, NEAR) == [expected]


def test_what_is_forbidden_here_is_left_out() -> None:
    old = table(OLD, [[0.1]], [{"lr": 0.01, "layers": 4, "width": 32, "conv": "attention", "heads": 2}])
    assert best_of(old, NEAR) == []


# Whether an earlier study is believed


def rising(rows: int = 12, sign: float = 1.0, epochs: int = 3) -> CurveTable:
    """An earlier study in which small learning rates were best, or large ones."""
    rates = np.logspace(-4, -1, rows).tolist()
    losses = [[sign * math.log10(rate) + 1 / epoch for epoch in range(1, epochs + 1)] for rate in rates]
    return table(SearchSpace.parse(SPACE), losses, [{"lr": rate, "layers": 1} for rate in rates])


def judged(old: CurveTable, losses: list[float], space: SearchSpace | None = None) -> float:
    """The evidence of trials of rising learning rates."""
    rates = np.logspace(-3.9, -1.1, len(losses)).tolist()
    transfer = Transfer(old, space or SearchSpace.parse(SPACE), {}, 1)
    return transfer.evidence([({"lr": rate, "layers": 3}, loss) for rate, loss in zip(rates, losses, strict=True)])


def test_evidence_is_a_rank_correlation_in_standard_deviations() -> None:
    ahead = [0.1, 0.2, 0.3, 0.9, 70.0]
    assert judged(rising(), ahead) == pytest.approx(2.0)
    assert judged(rising(), ahead[::-1]) == pytest.approx(-2.0)
    assert judged(rising(sign=-1.0), ahead) == pytest.approx(-2.0)
    assert judged(rising(), [0.2, 0.1, 0.3, 0.9, 70.0]) == pytest.approx(0.9 * 2)


def test_too_few_trials_or_trainings_are_no_evidence() -> None:
    assert judged(rising(), [0.1, 0.2, 0.3]) == 0.0
    assert judged(rising(rows=7), [0.1, 0.2, 0.3, 0.9]) == 0.0
    assert judged(rising(rows=8), [0.1, 0.2, 0.3, 0.9]) == pytest.approx(math.sqrt(3))


def test_what_is_the_same_in_all_trainings_is_no_evidence() -> None:
    same = [{"lr": 0.01, "layers": 1}] * 9
    assert judged(table(SearchSpace.parse(SPACE), [[float(row)] for row in range(9)], same), [1.0, 2.0, 3.0, 4.0]) == 0
    assert judged(table(SearchSpace.parse(SPACE), [[1.0]] * 9), [1.0, 2.0, 3.0, 4.0]) == 0


def test_diverged_trainings_count_as_the_worst() -> None:
    old = rising()
    old.losses[-4:] = math.inf
    assert judged(old, [0.1, 0.2, 0.3, 0.9, 70.0]) > 1.5


def test_evidence_does_not_depend_on_when_it_was_asked_for() -> None:
    transfer = Transfer(rising(), SearchSpace.parse(SPACE), {}, 1)
    rng = np.random.default_rng(2)
    space = SearchSpace.parse(SPACE)
    trials = [(space.sample(rng), float(rng.random())) for _ in range(40)]
    for known in range(41):
        assert transfer.evidence(trials[:known]) == Transfer(rising(), space, {}, 1).evidence(trials[:known])
    assert transfer.evidence(trials) == transfer.evidence(trials[:30])


# In a study


def run(study: StudySpec, curve: Any, earlier: list[CurveTable], **how: Any) -> list[Event]:
    events: list[Event] = []
    clock = VirtualClock()
    core = DecisionCore(study, events.extend, how.get("default"), clock=clock, earlier=earlier)
    core.begin("warm", how.get("slots", 1), {})
    Simulator(core, curve, how.get("slots", 1), clock).run()
    return events


def slope(config: Config, epoch: int) -> dict[str, float]:
    return {"val_loss": math.log10(config["lr"]) + 1 / epoch}


def tried(events: list[Event]) -> list[tuple[int, float]]:
    """Numbers and learning rates of the trials that are earlier studies' configurations."""
    found = [event for event in events if event["event"] == "suggested" and event["source"] == SOURCE]
    return [(event["trial"], pytest.approx(event["config"]["lr"])) for event in found]


RATES = np.logspace(-4, -1, 12).tolist()


def test_a_helpful_study_is_followed_once_it_has_ordered_four_trials_rightly() -> None:
    events = run(spec(), slope, [rising()], default=DEFAULT)
    assert [rate for _, rate in tried(events)] == RATES[:3]
    assert tried(events)[0][0] == 4
    history = History(events)
    assert history.trials[0].source == "default" and history.counts()["total"] == 20
    best = history.best()
    assert best is not None and best.source == SOURCE


def test_a_misleading_study_costs_nothing_once_it_is_seen_through() -> None:
    assert tried(run(spec(), slope, [rising(sign=-1.0)], default=DEFAULT)) == []


def test_a_study_that_says_nothing_costs_one_trial_in_ten_at_most() -> None:
    assert tried(run(spec(), slope, [rising(rows=5, sign=-1.0)])) == [(9, 0.1)]
    others = [rising(rows=rows, sign=-1.0) for rows in (5, 6, 7)]
    for old, rate in zip(others, (0.1, 0.09, 0.08), strict=True):
        old.configs[-1]["lr"] = rate
    assert tried(run(spec(budget={"trials": 35}), slope, others)) == [(9, 0.1), (19, 0.09), (29, 0.08)]


def test_with_many_slots_a_tenth_of_the_first_trials_is_of_earlier_studies() -> None:
    events = run(spec(budget={"trials": 40}), slope, [rising()], slots=24)
    assert tried(events)[0] == (9, RATES[0])
    assert [number for number, _ in tried(events)][1] >= 24


def test_no_more_than_five_are_tried_each_study_in_turn() -> None:
    def moved(factor: float) -> CurveTable:
        old = rising()
        for config in old.configs:
            config["lr"] *= factor
        return old

    order = [rate for _, rate in tried(run(spec(), slope, [moved(1.0), moved(1.01), moved(1.02)]))]
    assert order[:3] == [RATES[0], 1.01 * RATES[0], 1.02 * RATES[0]] and len(order) == 5


def test_a_trial_that_breaks_is_not_followed() -> None:
    def breaks(config: Config, epoch: int) -> dict[str, float]:
        return {"val_loss": math.nan} if config["lr"] == 1e-4 else slope(config, epoch)

    assert [rate for _, rate in tried(run(spec(), breaks, [rising()]))] == [1e-4]


def test_one_that_comes_late_is_not_followed() -> None:
    """The earlier study's best learning rate is bad here, whatever else it says."""

    def trap(config: Config, epoch: int) -> dict[str, float]:
        return {"val_loss": 9.0} if config["lr"] == 1e-4 else slope(config, epoch)

    assert [rate for _, rate in tried(run(spec(), trap, [rising()]))] == [1e-4]


def test_the_default_configuration_is_not_tried_twice() -> None:
    default = {"lr": RATES[0], "layers": 1}
    assert [rate for _, rate in tried(run(spec(), slope, [rising()], default=default))][:1] == RATES[1:2]
    without = run(spec(default=False), slope, [rising()], default=default)
    assert [rate for _, rate in tried(without)] == RATES[:3]


def test_a_small_space_is_not_searched_twice() -> None:
    space = {"lr": "choice([0.001, 0.01, 0.1])", "layers": "randint(1, 5)"}
    old = SearchSpace.parse(space)
    configs = list(old.grid(3))
    earlier = [table(old, [[slope(config, 1)["val_loss"]] for config in configs], configs)]
    events = run(spec(search_space=space, searcher="grid"), slope, earlier, default=configs[7])
    suggested = [json.dumps(event["config"]) for event in events if event["event"] == "suggested"]
    assert len(suggested) == len(set(suggested)) == len(configs) == 12


SCHEDULERS: list[Any] = [{"asha": {"mode": "promotion"}}, "hyperband", "none", "curve"]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_killed_anywhere_and_resumed_it_decides_the_same(scheduler: Any) -> None:
    study, earlier = spec(scheduler=scheduler, budget={"trials": 15}), [rising(), rising(rows=5, sign=-1.0)]
    undisturbed = run(study, slope, earlier)
    events = killed_and_resumed(study, random.Random(5), range(2, 9), curve=slope, default=None, earlier=earlier)
    assert decisions(events) == decisions(undisturbed)
    assert tried(events)


def test_an_offer_is_the_same_for_one_that_was_there_all_the_time() -> None:
    space, earlier = SearchSpace.parse(SPACE), [rising(), rising(rows=5, sign=-1.0)]
    events = run(spec(), slope, earlier)
    there, history = WarmStart(earlier, space, None, (1, 3), 9), History()
    for event in events:
        if event["event"] == "suggested":
            anew = WarmStart(earlier, space, None, (1, 3), 9)
            assert there.next(history) == anew.next(history)
        history.apply(event)


# What it costs and gains, over many studies


@pytest.fixture(scope="module")
def progress() -> dict[str, Any]:
    kinds = ("none", *warm_start.KINDS)
    return {kind: np.array([warm_start.progress(kind, seed) for seed in range(40)]) for kind in kinds}


@pytest.mark.parametrize("budget", warm_start.BUDGETS)
@pytest.mark.parametrize("kind", ["misleading", "unrelated"])
def test_a_study_that_does_not_help_costs_a_tenth_at_most(progress: dict[str, Any], kind: str, budget: int) -> None:
    assert warm_start.share(budget, progress["none"], progress[kind]) <= 1.1


@pytest.mark.parametrize("budget", [150, 240, 300])
def test_a_near_study_saves_a_third_at_least(progress: dict[str, Any], budget: int) -> None:
    assert warm_start.share(budget, progress["none"], progress["near"]) <= 2 / 3


# Files and messages


def test_curves_are_kept_for_a_resume(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    first = table(NEAR, [[0.5, 0.25], [0.75]], [NEAR.sample(rng) for _ in range(2)])
    tables = [first, rising()] * 6
    keep_earlier(StudyFolder(tmp_path), tables)
    kept = kept_earlier(StudyFolder(tmp_path), 12)
    assert [each.name for each in kept] == ["old"] * 12
    for each, written in zip(kept, tables, strict=True):
        assert each.space == written.space and each.configs == written.configs
        assert np.array_equal(each.losses, written.losses, equal_nan=True)
    assert kept_earlier(StudyFolder(tmp_path / "none"), 0) == ()
    (tmp_path / "earlier" / "7-old.parquet").unlink()
    with pytest.raises(UserError, match=r"earlier: 7-….parquet is missing, the curves of an earlier study"):
        kept_earlier(StudyFolder(tmp_path), 12)


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
    assert spec(warm_start="x.parquet").warm_start == spec(warm_start=["x.parquet", "/x.parquet"]).warm_start
    assert spec(warm_start="x.parquet").warm_start == ["/x.parquet"]
    assert load_study_file(file, ["warm_start=[]"]).warm_start == []


def test_an_earlier_study_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = make_study(tmp_path / "studies" / "mlpf-1")
    (earlier,) = load_earlier(spec(warm_start=["mlpf-1"]))
    history = folder.history()
    best = min((trial for trial in history.trials if trial.epoch == 9), key=lambda trial: trial.value or math.inf)
    first, *_ = best_of(earlier, SearchSpace.parse({"lr": "loguniform(1e-4, 3e-2)"}))
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
