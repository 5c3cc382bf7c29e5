"""The curve searcher in simulated studies."""

import math
import random
import statistics
from typing import Any

import pytest

from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search.curve import CurveSearcher
from tests.helpers import decisions, killed_and_resumed, simulator, spec

SPACE = {"lr": "loguniform(1e-4, 1e-1)", "dropout": "uniform(0, 0.5)", "width": "choice([16, 32, 64, 128])"}
ASHA = {"asha": {"mode": "promotion"}}


def loss(config: Config) -> float:
    """What a configuration reaches in the end; 0 at best."""
    return (math.log10(config["lr"]) + 2.2) ** 2 + 8 * (config["dropout"] - 0.1) ** 2 + abs(config["width"] - 64) / 100


def curve(config: Config, epoch: int) -> dict[str, float]:
    """Fast learners at first look best: a high learning rate falls early, and the others overtake it."""
    return {"val_loss": loss(config) + 2 * math.exp(-epoch * 100 * config["lr"]), "seconds": 1.0}


def study(**changes: Any) -> Any:
    given: dict[str, Any] = {"search_space": SPACE, "searcher": "curve", "scheduler": "curve", "max_epochs": 27}
    return spec(**given | {"default": False, "budget": {"epochs": 300}} | changes)


def run(seed: int = 1, slots: int = 1, **changes: Any) -> tuple[History, list[Event]]:
    events: list[Event] = []
    sim = simulator(study(seed=seed, **changes), events, slots=slots, curve=curve)
    sim.run()
    return sim.core.history, events


def reached(history: History) -> float:
    return min(min(trial.values.values()) for trial in history.trials if trial.values)


@pytest.mark.parametrize("slots", [1, 8])
def test_it_finds_what_random_search_with_the_same_epochs_does_not(slots: int) -> None:
    ours = statistics.median(reached(run(seed, slots)[0]) for seed in range(3))
    theirs = statistics.median(reached(run(seed, slots, searcher="random", scheduler=ASHA)[0]) for seed in range(3))
    assert ours < 0.5 * theirs


def test_killed_anywhere_and_resumed_it_decides_the_same() -> None:
    settings = {"max_epochs": 9, "budget": {"trials": 30}, "searcher": {"curve": {"startup_trials": 6}}}
    _, undisturbed = run(**settings)
    events = killed_and_resumed(study(**settings, seed=1), random.Random(7), range(5, 26), curve=curve)
    assert decisions(events) == decisions(undisturbed)


def test_nothing_is_tried_twice() -> None:
    space = {"layers": "randint(1, 6)", "width": "choice([16, 32, 64])", "norm": "choice([true, false])"}
    events: list[Event] = []
    settings = {"search_space": space, "searcher": {"curve": {"startup_trials": 4, "explore": 0}}}
    sim = simulator(
        study(**settings, max_epochs=3, budget={"trials": 24}), events, slots=4,
        curve=lambda config, epoch: {"val_loss": config["layers"] + config["width"] / 64 + 1 / epoch},
    )  # fmt: skip
    sim.run()
    tried = [tuple(trial.config.values()) for trial in sim.core.history.trials[4:]]
    assert len(set(tried)) == len(tried)


def test_epochs_that_take_longer_are_tried_less() -> None:
    def timed(config: Config, epoch: int) -> dict[str, float]:
        # Of no influence on the loss, twenty times the seconds.
        return {"val_loss": loss(config) + 1 / epoch, "seconds": 0.1 * 20 ** config["workers"]}

    def chosen(seconds: bool, seed: int) -> float:
        events: list[Event] = []
        space = {**SPACE, "workers": "uniform(0, 1)"}
        told = timed if seconds else lambda config, epoch: {"val_loss": loss(config) + 1 / epoch}
        budget = {"budget": {"trials": 60}, "max_epochs": 9}
        sim = simulator(study(search_space=space, seed=seed, **budget), events, curve=told)
        sim.run()
        return statistics.mean(trial.config["workers"] for trial in sim.core.history.trials[20:])

    told, untold = (statistics.mean(chosen(seconds, seed) for seed in range(6)) for seconds in (True, False))
    assert told < untold - 0.1


def test_without_a_scheduler_it_learns_from_whole_curves() -> None:
    settings = {"scheduler": "none", "max_epochs": 5, "budget": {"trials": 30}}
    ours, theirs = run(**settings)[0], run(**settings, searcher="random")[0]
    assert min(loss(trial.config) for trial in ours.trials) < 0.3 * min(loss(trial.config) for trial in theirs.trials)


def test_the_pool_keeps_out_what_is_forbidden() -> None:
    history, _ = run(
        search_space={**SPACE, "forbidden": [{"width": 64, "lr": {"above": 0.003}}]},
        budget={"trials": 30},
        max_epochs=3,
    )
    assert not [trial for trial in history.trials if trial.config["width"] == 64 and trial.config["lr"] > 0.003]


def test_it_takes_its_source_name_to_its_sobol_points() -> None:
    history, _ = run(budget={"trials": 4}, max_epochs=3)
    assert {trial.source for trial in history.trials} == {CurveSearcher.name}
    assert len({trial.config["lr"] for trial in history.trials}) == 4
