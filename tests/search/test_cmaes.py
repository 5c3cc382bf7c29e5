import numpy as np
import pytest

from raise_hpo.search.cmaes import CMAESSearcher, Layout
from raise_hpo.space import SearchSpace
from tests.search.play import add, history, run

SPACE = SearchSpace.parse(
    {
        "lr": "loguniform(1e-4, 1e-1)",
        "seed": "randint(0, 1000)",
        "layers": "randint(1, 7)",
        "width": "lograndint(4, 20)",
        "act": "choice([relu, elu, gelu])",
        "norm": "choice([false, true])",
        "two": "randint(3, 5)",
        "opt": "choice([adam])",
        "heads": {"choice": [1, True, 4], "when": {"act": "elu"}},
    }
)


def test_each_kind_of_dimension_has_its_kind_of_distribution():
    layout = Layout(SPACE)
    assert (layout.ranges, layout.steps) == (["lr", "seed"], ["layers", "width"])
    assert (layout.categories, layout.fixed) == (["act", "norm", "two", "heads"], ["opt"])


def test_a_told_configuration_is_the_one_that_its_solution_stands_for():
    layout, rng = Layout(SPACE), np.random.default_rng(0)
    strategy = layout.strategy(8, 0.3)
    strategy.reseed_rng(1)
    for _ in range(100):
        config = SPACE.sample(rng)
        solution = layout.solution(strategy.ask(), layout.code(config))
        ranges = len(layout.ranges)
        raw = solution._v_raw
        told = {name: SPACE.dimensions[name].from_unit(raw[axis]) for axis, name in enumerate(layout.ranges)}
        for axis, name in enumerate(layout.steps):
            nearest = np.argmin(np.abs(np.array(layout.units[axis]) - raw[ranges + axis]))
            told[name] = layout.values[name][nearest]
        assert told["lr"] == pytest.approx(config["lr"])
        assert all(told[name] == config[name] for name in ("seed", "layers", "width"))
        chosen = [
            layout.values[name][int(np.argmax(row))] for name, row in zip(layout.categories, solution.c, strict=True)
        ]
        active = [name in config for name in layout.categories]
        assert [value for value, is_active in zip(chosen, active, strict=True) if is_active] == [
            config[name] for name in layout.categories if name in config
        ]


def test_an_inactive_dimension_keeps_the_draw():
    layout = Layout(SPACE)
    strategy = layout.strategy(8, 0.3)
    drawn = strategy.ask()
    config = {"lr": 0.01, "seed": 1, "layers": 2, "width": 5, "act": "relu", "norm": True, "two": 3, "opt": "adam"}
    assert np.array_equal(layout.solution(drawn, layout.code(config)).c[3], drawn.c[3])


def test_the_distribution_moves_after_a_full_generation_only():
    space = SearchSpace.parse({"x": "uniform(0, 1)", "y": "uniform(0, 1)"})
    told, configs = history(), []
    for number in range(9):
        configs.append(CMAESSearcher(space, 1, population=8).suggest(99, told))
        add(told, {"x": 0.9, "y": number / 10}, [1.0])
    assert all(config == configs[0] for config in configs[:8]) and configs[8] != configs[0]


def test_the_draws_gather_at_the_best_place_though_several_trials_run_at_once():
    space = SearchSpace.parse({"x": "uniform(0, 1)", "n": "randint(0, 20)", "c": "choice([a, b, c])"})
    searcher, told = CMAESSearcher(space, 3), history()
    running = [searcher.suggest(number, told) for number in range(6)]
    for number in range(6, 150):
        config = running.pop(0)
        add(told, config, [(config["x"] - 0.7) ** 2 + ((config["n"] - 4) / 20) ** 2 + (config["c"] != "b")])
        running.append(searcher.suggest(number, told))
    late = [trial.config for trial in told.trials[-30:]]
    assert np.median([config["x"] for config in late]) == pytest.approx(0.7, abs=0.05)
    assert np.median([config["n"] for config in late]) == pytest.approx(4, abs=1)
    assert np.mean([config["c"] == "b" for config in late]) > 0.7


@pytest.mark.parametrize(
    "space",
    [
        {"a": "choice([x, y])"},
        {"a": "randint(0, 9)"},
        {"a": "uniform(0, 1)"},
        {"a": "choice([x, y, z])", "b": "randint(0, 3)"},
    ],
)
def test_it_learns_in_spaces_of_one_kind(space):
    searcher = CMAESSearcher(SearchSpace.parse(space), 2, population=4)
    told = run(searcher, lambda config: float(sum(searcher.space.to_unit(config))), 40)
    late = [searcher.space.to_unit(trial.config) for trial in told.trials[-20:]]
    assert np.mean(late) < 0.45


def test_a_space_of_one_configuration_has_that_one():
    searcher = CMAESSearcher(SearchSpace.parse({"a": "choice([x])"}), 1, population=4)
    assert [trial.config for trial in run(searcher, lambda _: 1.0, 9).trials] == [{"a": "x"}] * 9
