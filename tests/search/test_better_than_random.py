"""Every searcher that learns finds better configurations than chance, in numbers, steps, categories and branches."""

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

import pytest

from raise_hpo.history import Config
from raise_hpo.search import make_searcher
from raise_hpo.space import SearchSpace
from tests.search.play import run

TRIALS, SEEDS = 60, 7
LEARNERS: dict[str, Mapping[str, Any]] = {
    "cmaes": {},
    "hyperopt": {"startup_trials": 10},
    "anneal": {"algorithm": "anneal"},
    "bohb": {},
    "evolution": {},
    "rl": {},
}
SPHERE = {"lr": "loguniform(1e-5, 1e-1)", **{name: "uniform(0, 1)" for name in "abcd"}}
MIXED = {
    "lr": "loguniform(1e-5, 1e-1)",
    "layers": "randint(1, 9)",
    "steps": "quniform(10, 200, 10)",
    "act": "choice([relu, elu, gelu, tanh])",
    "conv": "choice([gnn, attention])",
    "gnn.bin_size": {"choice": [8, 16, 32], "when": {"conv": "gnn"}},
    "heads": {"randint": [1, 9], "when": {"conv": "attention"}},
}


def sphere(config: Config) -> float:
    rate = (math.log10(config["lr"]) + 3.3) ** 2 / 4
    return rate + 4 * sum((config[name] - 0.3 - 0.1 * place) ** 2 for place, name in enumerate("abcd"))


def mixed(config: Config) -> float:
    numbers = (math.log10(config["lr"]) + 3.3) ** 2 / 4 + (config["layers"] - 6) ** 2 / 16
    numbers += ((config["steps"] - 70) / 80) ** 2
    act = {"relu": 0.5, "elu": 0.0, "gelu": 0.2, "tanh": 1.0}[config["act"]]
    if config["conv"] == "gnn":
        return numbers + act + {8: 0.8, 16: 0.5, 32: 0.9}[config["gnn.bin_size"]]
    return float(numbers + act + (config["heads"] - 3) ** 2 / 20)


PROBLEMS = {"sphere": (SPHERE, sphere), "mixed": (MIXED, mixed)}


def best(name: str, options: Mapping[str, Any], problem: str) -> float:
    """The best loss, as the median over seeds."""
    space, loss = PROBLEMS[problem]
    studies = [
        run(make_searcher(name, SearchSpace.parse(space), seed, **options), loss, TRIALS) for seed in range(SEEDS)
    ]
    return median(min(loss(trial.config) for trial in told.trials) for told in studies)


@pytest.fixture(scope="module")
def chance() -> dict[str, float]:
    return {problem: best("random", {}, problem) for problem in PROBLEMS}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_it_beats_chance(learner: str, problem: str, chance: dict[str, float]) -> None:
    name = "hyperopt" if learner == "anneal" else learner
    found = best(name, LEARNERS[learner], problem)
    assert found < 0.75 * chance[problem], (found, chance[problem])
