"""Studies with several objectives: the study file, the history, ASHA's ranking, searchers, kills."""

from __future__ import annotations

import json
import math
import random
import statistics
from typing import Any

import pytest

from raise_hpo.decide import DecisionCore
from raise_hpo.errors import UserError
from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.pareto import dominates
from raise_hpo.schedule.asha import ASHA
from raise_hpo.study import StudySpec, load_study_file

from .helpers import DEFAULT, decisions, killed_and_resumed, simulator, spec

LOSS, SIZE = {"metric": "val_loss", "mode": "min"}, {"metric": "parameters", "mode": "min"}


def curve(config: Config, epoch: int) -> dict[str, float]:
    """More layers learn better, and cost parameters."""
    floor = (math.log10(config["lr"]) + 2.5) ** 2 + 1.0 / config["layers"]
    return {"val_loss": floor + 1.0 / epoch, "parameters": 100.0 * config["layers"]}


def run(study: StudySpec, **options: Any) -> list[Event]:
    events: list[Event] = []
    assert simulator(study, events, curve=curve, **options).run()
    return events


# The study file


def test_a_list_of_objectives_is_kept_and_the_first_is_primary() -> None:
    study = spec(objective=[LOSS, {"metric": "speed", "mode": "max"}])
    assert (study.objective.metric, study.objective.mode) == ("val_loss", "min")
    assert [(each.metric, each.mode) for each in study.objectives] == [("val_loss", "min"), ("speed", "max")]
    resolved = json.loads(json.dumps(study.resolved()))
    assert resolved["objective"] == [LOSS, {"metric": "speed", "mode": "max"}]
    assert StudySpec.model_validate(resolved) == study != spec()
    assert study.changed(seed=5).objectives == study.objectives


def test_one_objective_is_written_as_ever() -> None:
    assert spec().resolved()["objective"] == spec(objective=[LOSS]).resolved()["objective"] == LOSS
    assert spec().objectives == (spec().objective,)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objective": []}, "objective is an empty list, but must be a mapping, or a list of mappings"),
        ({"objective": ["val_loss"]}, "objective.0 is 'val_loss', but must be a mapping"),
        ({"objective": [LOSS, {"metrik": "x"}]}, "objective.1.metrik is an unknown key, did you mean 'metric'?"),
        (
            {"objective": [LOSS, {"metric": "x", "mode": "maximum"}]},
            "objective.1.mode is 'maximum', did you mean 'max'",
        ),
        ({"objective": [LOSS, SIZE, LOSS]}, "objective.2.metric is 'val_loss', which is an objective already"),
        (
            {"objective": [LOSS, SIZE], "searcher": "cmaes"},
            "searcher 'cmaes' knows one objective only; with several, valid: random, grid, sobol, tpe, gp",
        ),
        (
            {"objective": [LOSS, SIZE], "scheduler": "hyperband"},
            "scheduler 'hyperband' knows one objective only; with several, valid: none, asha",
        ),
    ],
)
def test_mistakes_get_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        spec(**changes)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_mistake_in_a_file_is_told_with_its_line_and_overrides_reach_into_the_list(tmp_path: Any) -> None:
    text = (
        "trainable: mlpf\nsearch_space: mlpf\nsearcher: tpe\nscheduler: asha\n"
        "objective:\n  - {metric: val_loss}\n  - {metric: parameters, mode: mim}\n"
    )
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"study.yaml line 7: objective.1.mode is 'mim', did you mean 'min'"):
        load_study_file(file)
    study = load_study_file(file, ["objective.1.mode=min", "objective.0.metric=train_loss"])
    assert [each.metric for each in study.objectives] == ["train_loss", "parameters"]
    study = load_study_file(file, ["objective={metric: val_loss}"])
    assert len(study.objectives) == 1
    for override in ("objective.metric=x", "objective.2.metric=x"):
        sentence = rf"--set {override}: 'objective' is a list of 2; its first item is objective.0"
        with pytest.raises(UserError, match=sentence):
            load_study_file(file, [override])


# The core


@pytest.mark.parametrize("mode", ["stopping", "promotion"])
def test_the_front_is_what_no_other_trial_that_went_as_far_betters(mode: str) -> None:
    history = History(run(spec(objective=[LOSS, SIZE], scheduler={"asha": {"mode": mode}}, budget={"trials": 40})))
    front = history.front()
    last = {trial.number: history.losses(trial) for trial in history.trials if trial.epoch == 9}
    assert {trial.number for trial in front} == {
        number for number, losses in last.items() if not any(dominates(other, losses) for other in last.values())
    }
    assert front[0] is history.best() and len(front) > 1
    assert [trial.value for trial in front] == sorted(trial.value for trial in front if trial.value is not None)
    words = [decision.why for trial in history.trials for decision in trial.decisions.values()]
    assert any(why.startswith("rung of epoch 1: front ") and "rung needs" not in why for why in words)


def test_a_maximised_objective_counts_the_other_way() -> None:
    def speed(config: Config, epoch: int) -> dict[str, float]:
        return {"val_loss": curve(config, epoch)["val_loss"], "speed": -curve(config, epoch)["parameters"]}

    events: list[Event] = []
    study = spec(objective=[LOSS, {"metric": "speed", "mode": "max"}])
    assert simulator(study, events, curve=speed).run()
    fast, small = History(events).front(), History(run(spec(objective=[LOSS, SIZE]))).front()
    assert [trial.config for trial in fast] == [trial.config for trial in small]


def test_with_one_objective_the_front_is_the_best() -> None:
    history = History(run(spec()))
    assert history.front() == [history.best()]
    assert History().front() == []


def test_a_missing_or_broken_further_objective_is_a_failure() -> None:
    def breaks(config: Config, epoch: int) -> dict[str, float]:
        whole = curve(config, epoch)
        if config["layers"] == 2:
            return {"val_loss": whole["val_loss"]}
        return whole | ({"parameters": math.nan} if config["layers"] == 3 else {})

    events: list[Event] = []
    assert simulator(spec(objective=[LOSS, SIZE]), events, curve=breaks).run()
    failures = {trial.config["layers"]: trial.failure for trial in History(events).trials}
    assert failures[2] == ("no_metric", "the objective 'parameters' was not reported; reported: val_loss")
    assert failures[3] == ("nan", "parameters is nan")
    assert failures[1] is None and failures[4] is None


@pytest.mark.parametrize("searcher", ["random", "tpe"])
@pytest.mark.parametrize("mode", ["stopping", "promotion"])
def test_killed_anywhere_and_resumed_it_decides_the_same(searcher: str, mode: str) -> None:
    study = spec(objective=[LOSS, SIZE], searcher=searcher, scheduler={"asha": {"mode": mode}}, budget={"trials": 18})
    events = killed_and_resumed(study, random.Random(3), range(2, 20), curve=curve)
    assert decisions(events) == decisions(run(study))


def test_a_rung_lets_the_ends_of_the_front_go_on_before_its_middle() -> None:
    scheduler = ASHA(max_epochs=9, mode="promotion")
    front = [(x / 10, (1 - x / 10) ** 2) for x in range(11)]
    for trial, (loss, size) in enumerate(front):
        scheduler.on_report(trial, 1, loss, (1e6 * size,))
        scheduler.on_pause(trial, 1)
    first = scheduler.resume()
    assert first is not None and first[0] == 0
    assert first[1] == "promoted at the rung of epoch 1: front 1 of 1 with 11 trials, the best 3 go on"
    assert scheduler.need(0, 0) is None
    going = [trial for trial in range(11) if scheduler.decide(trial, 1).action == "continue"]
    assert going[0] == 0 and going[-1] == 10 and 3 <= going[1] <= 7


def test_a_dominated_trial_waits_until_its_betters_have_gone() -> None:
    scheduler = ASHA(max_epochs=9, mode="promotion", reduction_factor=2)
    for trial, losses in enumerate([(0.1, 3.0), (0.3, 1.0), (0.4, 2.0), (0.5, 4.0)]):
        scheduler.on_report(trial, 1, losses[0], losses[1:])
        scheduler.on_pause(trial, 1)
    gone = []
    while (resumed := scheduler.resume()) is not None:
        gone.append(resumed[0])
        scheduler.on_resume(resumed[0], 1)
    assert gone == [0, 1]


# Searchers


WIDE = {
    "lr": "loguniform(1e-4, 1e-1)", "layers": "randint(1, 6)", "width": "choice([16, 32, 64, 128, 256])",
    "dropout": "uniform(0, 0.5)", "decay": "loguniform(1e-6, 1e-1)", "momentum": "uniform(0.5, 1.0)",
    "warmup": "uniform(0, 1)",
}  # fmt: skip


def network(config: Config, epoch: int) -> dict[str, float]:
    """A loss with a power law in the number of parameters, and a best value of every other hyperparameter."""
    size = config["layers"] * config["width"] ** 2
    loss = 0.2 + 8.0 / size**0.35 + 0.25 * (math.log10(config["lr"]) + 2.7 - 0.25 * math.log10(size)) ** 2
    loss += 0.8 * (config["dropout"] - 0.15) ** 2 + 0.05 * (math.log10(config["decay"]) + 4) ** 2
    loss += 3 * (config["momentum"] - 0.85) ** 2 + 0.4 * (config["warmup"] - 0.3) ** 2
    return {"val_loss": loss + 0.8 * math.exp(-epoch / 4), "parameters": float(size)}


def hypervolume(points: list[tuple[float, float]], reference: tuple[float, float]) -> float:
    """The area that points dominate below a reference."""
    area, lowest = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < lowest:
            area += (reference[0] - x) * (lowest - y)
            lowest = y
    return area


def test_hypervolume_of_known_points() -> None:
    assert hypervolume([(1, 3), (2, 2), (3, 3), (5, 0)], (4, 4)) == pytest.approx(3 * 1 + 2 * 1)


def reached(searcher: str, seed: int) -> float:
    """The hypervolume, over loss and order of magnitude of the size, after 40 trials trained to the end."""
    study = spec(
        objective=[LOSS, SIZE], searcher=searcher, scheduler="none", search_space=WIDE, seed=seed, max_epochs=3,
        budget={"trials": 40}, default=False,
    )  # fmt: skip
    events: list[Event] = []
    simulator(study, events, curve=network, slots=2).run()
    history = History(events)
    return hypervolume(
        [(trial.values[3], math.log10(trial.metrics[3]["parameters"])) for trial in history.front()], (2.5, 6.0)
    )


def test_tpe_dominates_more_than_random_search() -> None:
    seeds = range(1, 8)
    random_search, tpe = ([reached(searcher, seed) for seed in seeds] for searcher in ("random", "tpe"))
    assert statistics.median(tpe) > 1.02 * statistics.median(random_search)


@pytest.mark.parametrize("searcher", ["tpe", "gp"])
def test_suggestions_depend_on_the_history_alone(searcher: str) -> None:
    study = spec(objective=[LOSS, SIZE], searcher={searcher: {"startup_trials": 4}}, budget={"trials": 9})
    events = run(study)
    last = max(place for place, event in enumerate(events) if event["event"] == "suggested")
    again = DecisionCore(study, lambda _: None, DEFAULT, events=events[:last])
    assert again.searcher.suggest(8, again.history) == events[last]["config"]
