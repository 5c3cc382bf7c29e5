import json
import math

import numpy as np
import optuna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raise_hpo.names import search_space_file
from raise_hpo.space import SearchSpace, SpaceError, flatten, nest
from raise_hpo.yaml_source import load_yaml, parse_yaml

CONDITIONAL = {
    "gnn.bin_size": {"choice": [16, 32, 40], "when": {"conv": "gnn"}},
    "gnn.degree": {"randint": [1, 4], "when": {"gnn.bin_size": [16, 32]}},
    "lr": "loguniform(1e-4, 3e-2)",
    "conv": "choice([gnn, attention])",
    "heads": {"qrandint": [2, 8, 2], "when": {"conv": "attention", "lr": {"below": 0.01}}},
    "forbidden": [{"lr": {"above": 0.02}, "gnn.bin_size": 16}, {"conv": "attention", "lr": {"above": 0.025}}],
}

finite = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)
scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=8)


@st.composite
def ranges(draw):
    """A notation of any continuous or stepped form."""
    form = draw(
        st.sampled_from(["uniform", "loguniform", "quniform", "qloguniform", "randint", "lograndint", "qrandint"])
    )
    if form in ("uniform", "loguniform"):
        low, high = sorted(draw(st.tuples(*[positive if form == "loguniform" else finite] * 2)))
        assume(high - low > 1e-9 * max(abs(low), abs(high)))
        return {form: [low, high]}
    first = draw(st.integers(1 if "log" in form else -50, 50))
    last = first + draw(st.integers(1, 60))
    if form in ("randint", "lograndint"):
        return {form: [first, last]}
    whole = form == "qrandint" or draw(st.booleans())
    step = draw(st.integers(1, 50)) if whole else draw(st.sampled_from([0.1, 0.05, 0.25, 1e-3, 2.5]))
    bounds = [first * step, last * step] if whole else [round(first * step, 6), round(last * step, 6)]
    return {form: [*bounds, step]}


@st.composite
def choices(draw):
    """A choice among different scalars and lists; 1, 1.0 and true are told apart only where raise-hpo does."""
    values = draw(st.lists(scalars | st.lists(st.integers(0, 9), max_size=2), min_size=1, max_size=5))
    unique = {
        json.dumps([isinstance(value, bool), float(value) + 0.0 if _number(value) else value]): value
        for value in values
    }
    return {"choice": list(unique.values())}


@st.composite
def spaces(draw):
    """A search space with a few dimensions, and perhaps conditions on the first and a forbidden pair."""
    parent = draw(choices())
    space = {"parent": parent, **{f"d.x{i}": draw(ranges() | choices()) for i in range(draw(st.integers(0, 3)))}}
    scalar = [value for value in parent["choice"] if not isinstance(value, list)]
    if scalar and len(space) > 1 and draw(st.booleans()):
        space["d.x0"]["when"] = {"parent": draw(st.sampled_from(scalar))}
    if len(scalar) > 1 and draw(st.booleans()):
        space["forbidden"] = [{"parent": scalar[0]}]
    return space


def _number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value):
    return type(value) in (type(None), bool, int, float, str) or (type(value) is list and all(map(_is_plain, value)))


@given(spaces(), st.integers(0, 2**32))
def test_samples_are_contained_and_plain_and_survive_the_unit_cube(plain, seed):
    space = SearchSpace.parse(plain)
    for rng in np.random.default_rng(seed).spawn(3):
        config = space.sample(rng)
        space.check(config)
        assert all(map(_is_plain, config.values()))
        point = space.to_unit(config)
        assert point.shape == (len(space),) and ((point >= 0) & (point < 1)).all()
        back = space.from_unit(point)
        assert back.keys() == config.keys()
        for name, value in config.items():
            assert back[name] == pytest.approx(value, rel=1e-9, abs=1e-9) if _number(value) else back[name] == value


@given(spaces())
def test_data_and_yaml_round_trip(plain):
    space = SearchSpace.parse(plain)
    assert SearchSpace.parse(space.to_dict()) == space
    assert SearchSpace.parse(parse_yaml(space.to_yaml(), "text").data) == space
    assert SearchSpace.parse(json.loads(json.dumps(space.to_dict()))).to_yaml() == space.to_yaml()


@given(spaces(), st.integers(1, 3))
def test_grids_have_no_duplicates_and_the_told_size(plain, points):
    space = SearchSpace.parse(plain)
    configs = list(space.grid(points)) if space.grid_size(points) < 2000 else []
    assert len(configs) in (0, space.grid_size(points))
    assert len({json.dumps(config) for config in configs}) == len(configs)
    for config in configs:
        space.check(config)


@given(ranges(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_ranges_are_monotonic_in_the_unit_interval(plain, one, other):
    dimension = SearchSpace.parse({"x": plain}).dimensions["x"]
    assert (dimension.from_unit(min(one, other))) <= dimension.from_unit(max(one, other))
    low, high = dimension.from_unit(0.0), dimension.from_unit(math.nextafter(1, 0))
    assert (low, high) == pytest.approx((dimension.low, dimension.high), rel=1e-9, abs=1e-11 * (high - low))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("randint(1, 4)", [1, 2, 3]),
        ("lograndint(1, 4)", [1, 2, 3]),
        ("qrandint(2, 6, 2)", [2, 4, 6]),
        ("quniform(0.1, 0.5, 0.1)", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("quniform(10, 40, 10)", [10, 20, 30, 40]),
        ("qloguniform(0.5, 2.0, 0.5)", [0.5, 1.0, 1.5, 2.0]),
        ("choice([false, null, 1, 1e-3, gnn, '1', [64, 64]])", [False, None, 1, 1e-3, "gnn", "1", [64, 64]]),
        ("uniform(0, 0.5)", [0.5 / 6, 0.25, 2.5 / 6]),
        ("loguniform(1e-4, 1e-1)", [10**-3.5, 10**-2.5, 10**-1.5]),
    ],
)
def test_grid_values(notation, expected):
    values = [config["x"] for config in SearchSpace.parse({"x": notation}).grid(3)]
    if notation.startswith(("uniform", "loguniform")):
        assert values == pytest.approx(expected)
    else:
        assert [repr(value) for value in values] == [repr(value) for value in expected]


@pytest.mark.parametrize(
    "notation", ["randint(0, 5)", "qrandint(0, 40, 10)", "choice([a, b, c, d, e])", "quniform(0, 2, 0.5)"]
)
def test_steps_and_choices_are_equally_likely(notation):
    space = SearchSpace.parse({"x": notation})
    rng = np.random.default_rng(3)
    drawn = [space.sample(rng)["x"] for _ in range(5000)]
    counts = [drawn.count(value) for value in set(drawn)]
    assert len(counts) == 5 and all(abs(count - 1000) < 150 for count in counts)


def test_log_scale_gives_each_decade_the_same_share():
    rng = np.random.default_rng(5)
    space = SearchSpace.parse({"lr": "loguniform(1e-4, 1e-1)"})
    decades = [math.floor(math.log10(space.sample(rng)["lr"])) for _ in range(6000)]
    assert all(abs(decades.count(decade) - 2000) < 200 for decade in (-4, -3, -2))


def test_conditions_decide_what_is_active():
    space = SearchSpace.parse(CONDITIONAL)
    assert list(space.dimensions) == ["conv", "gnn.bin_size", "gnn.degree", "lr", "heads"]
    assert space.active({"conv": "gnn", "gnn.bin_size": 40, "lr": 1e-3}) == ["conv", "gnn.bin_size", "lr"]
    assert space.active({"conv": "gnn", "gnn.bin_size": 16, "lr": 1e-3})[2] == "gnn.degree"
    assert space.active({"conv": "attention", "gnn.bin_size": 16, "lr": 1e-3}) == ["conv", "lr", "heads"]
    assert space.active({"conv": "attention", "lr": 2e-2}) == ["conv", "lr"]
    assert space.to_unit({"conv": "attention", "lr": 2e-2})[[1, 2, 4]].tolist() == [0.5, 0.5, 0.5]


def test_samples_of_a_conditional_space_take_every_branch_and_nothing_forbidden():
    space = SearchSpace.parse(CONDITIONAL)
    rng = np.random.default_rng(1)
    configs = [space.sample(rng) for _ in range(500)]
    assert {frozenset(config) for config in configs} == {
        frozenset(keys.split())
        for keys in ("conv lr gnn.bin_size", "conv lr gnn.bin_size gnn.degree", "conv lr", "conv lr heads")
    }
    assert not any(config["lr"] > 0.02 and config.get("gnn.bin_size") == 16 for config in configs)
    assert any(config["lr"] > 0.02 and config.get("gnn.bin_size") == 32 for config in configs)


def test_grid_size_counts_conditions_and_forbidden():
    space = SearchSpace.parse({**CONDITIONAL, "free": "choice([1, 2])"})
    assert space.grid_size(3) == len(list(space.grid(3))) == 2 * _count_by_hand(space)


def _count_by_hand(space):
    rates = space.dimensions["lr"].grid(3)
    gnn = sum((0 if rate > 0.02 else 3) + 3 + 1 for rate in rates)
    return gnn + sum(4 if rate < 0.01 else rate <= 0.025 for rate in rates)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"conv": "gnn", "lr": 1e-3, "gnn.bin_size": 40, "x": 1}, "x is not in the search space"),
        ({"conv": "gmn", "lr": 1e-3}, "conv is 'gmn', which is not in choice([gnn, attention])"),
        ({"conv": "gnn", "lr": 0.1, "gnn.bin_size": 40}, "lr is 0.1, which is not in loguniform(0.0001, 0.03)"),
        ({"conv": "gnn", "lr": 1e-3}, "gnn.bin_size is missing"),
        ({"conv": "attention", "lr": 1e-3, "heads": 2, "gnn.bin_size": 40}, "it needs conv = gnn"),
        ({"conv": "attention", "lr": 1e-3, "heads": 3}, "heads is 3, which is not in qrandint(2, 8, 2)"),
        ({"conv": "gnn", "lr": 0.025, "gnn.bin_size": 16, "gnn.degree": 1}, "lr=0.025, gnn.bin_size=16 is forbidden"),
        ({"conv": "gnn", "lr": True, "gnn.bin_size": 40}, "lr is True"),
        ({"conv": "gnn", "lr": math.nan, "gnn.bin_size": 40}, "lr is nan"),
        ({"conv": "gnn", "lr": "1e-3", "gnn.bin_size": 40}, "lr is '1e-3'"),
    ],
)
def test_a_configuration_outside_is_told_why(config, says):
    space = SearchSpace.parse(CONDITIONAL)
    assert not space.contains(config)
    with pytest.raises(SpaceError) as error:
        space.check(config)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({}, "has no dimensions"),
        ({"forbidden": []}, "has no dimensions"),
        ([], "must be a mapping"),
        ({"lr": "unifrom(0, 1)"}, "did you mean 'uniform'"),
        ({"lr": "uniform(2, 1)"}, "the low bound 2 is above the high bound 1"),
        ({"lr": "uniform(1, 1)"}, "single value"),
        ({"lr": "uniform(0, 1, 2)"}, "the form is uniform(low, high)"),
        ({"lr": "uniform(0, .inf)"}, "not a finite number"),
        ({"lr": "uniform(0, true)"}, "True is not a finite number"),
        ({"lr": "uniform(__import__('os').getcwd(), 1)"}, "not a finite number"),
        ({"lr": "uniform(0, 1]) ["}, "must be one of uniform(low, high)"),
        ({"lr": "choice([1, 2)"}, "arguments cannot be read"),
        ({"lr": "choice(!!python/object:os.system [ls])"}, "arguments cannot be read"),
        ({"lr": "loguniform(0, 1)"}, "a low bound above 0"),
        ({"lr": "qloguniform(-1, 1, 1)"}, "a low bound above 0"),
        ({"lr": "randint(3, 3)"}, "did you mean randint(3, 4)?"),
        ({"lr": "randint(1, 2.5)"}, "whole numbers"),
        ({"lr": "quniform(0, 1, 0)"}, "the step must be above 0"),
        ({"lr": "quniform(0, 1, -0.1)"}, "the step must be above 0"),
        ({"lr": "quniform(1, 10, 4)"}, "did you mean quniform(4, 8, 4)?"),
        ({"lr": "quniform(0.05, 1.0, 0.1)"}, "did you mean quniform(0.1, 1.0, 0.1)?"),
        ({"lr": "quniform(1, 3, 4)"}, "no multiple lies between the bounds"),
        ({"lr": "choice([])"}, "no value to choose"),
        ({"lr": "choice(3)"}, "choice takes a list"),
        ({"lr": "choice([1, 2, 1.0])"}, "the choice 1.0 twice"),
        ({"lr": {"choice": [{"a": 1}]}}, "but choices are text"),
        ({"lr": 0.1}, "fixed settings go under config"),
        ({"lr": {"chioce": [1, 2]}}, "did you mean 'choice'"),
        ({"lr": {"choice": [1], "uniform": [0, 1]}}, "must have one form"),
        ({"gnn": {"bin_size": "choice([1])"}}, "written with dots"),
        ({"l r": "choice([1])"}, "not a valid key"),
        ({"a": "choice([1])", "a.b": "choice([1])"}, "a.b is a key below a"),
        ({"a": {"choice": [1], "when": {"b": 1}}, "b": {"choice": [1], "when": {"a": 1}}}, "depends on itself: "),
        ({"a": {"choice": [1], "when": {"a": 1}}}, "depends on itself: a → a"),
        (
            {"a": {"choice": [1], "when": {"bb": 1}}, "b": "choice([1])"},
            "'bb', which is not a dimension, did you mean 'b'?",
        ),
        ({"a": {"choice": [1], "when": {"b": 2}}, "b": "choice([1])"}, "'b' is 2, which is not in choice([1])"),
        ({"a": {"choice": [1], "when": "b"}, "b": "choice([1])"}, "must be a mapping of dimensions to values"),
        ({"a": "choice([x])", "forbidden": {"a": "x"}}, "must be a list of mappings"),
        ({"a": "choice([x])", "forbidden": [{"a": {"above": 1}}]}, "a dimension of numbers"),
        ({"a": "uniform(0, 1)", "forbidden": [{"a": {"abvoe": 1}}]}, "did you mean 'above'"),
        ({"a": "uniform(0, 1)", "forbidden": [{}]}, "entry 1 is {}"),
    ],
)
def test_mistakes_get_one_sentence(space, says):
    with pytest.raises(SpaceError) as error:
        SearchSpace.parse(space)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("# mine\nlr: uniform(0, 1)\nforbidden:\n  - {lr: 0.5}\n  - lr: 2\n")
    with pytest.raises(SpaceError, match=r"mine.yaml line 5: forbidden entry 2 says 'lr' is 2"):
        SearchSpace.load(str(file))


def test_a_space_of_forbidden_configurations_only_says_so():
    space = SearchSpace.parse({"a": "choice([1, 2])", "forbidden": [{"a": [1, 2]}]})
    with pytest.raises(SpaceError, match="forbidden 1000 random configurations in a row"):
        space.sample(np.random.default_rng(0))


def test_narrowing_replaces_dimensions_and_drops_what_cannot_occur():
    space = SearchSpace.parse(CONDITIONAL)
    narrow = space.narrow({"lr": "loguniform(1e-5, 1e-3)", "conv": "attention"})
    assert list(narrow.dimensions) == ["conv", "lr", "heads"]
    assert narrow.dimensions["lr"].low == 1e-5
    assert {frozenset(matches) for matches in narrow.forbidden} == {frozenset({"conv", "lr"})}
    assert SearchSpace.parse(narrow.to_dict()) == narrow
    with pytest.raises(SpaceError, match="did you mean 'heads'"):
        space.narrow({"head": "choice([1])"})


def test_narrowing_keeps_conditions():
    narrow = SearchSpace.parse(CONDITIONAL).narrow({"gnn.bin_size": "choice([32, 80])"})
    assert narrow.active({"conv": "gnn", "gnn.bin_size": 80, "lr": 1e-3}) == ["conv", "gnn.bin_size", "lr"]
    assert narrow.active({"conv": "attention", "lr": 2e-2}) == ["conv", "lr"]


@given(spaces(), st.integers(0, 1000))
def test_optuna_takes_and_returns_every_configuration(plain, seed):
    space = SearchSpace.parse(plain)
    config = space.sample(np.random.default_rng(seed))
    distributions = space.to_optuna()
    params = space.to_optuna_values(config)
    for name, value in params.items():
        assert distributions[name]._contains(distributions[name].to_internal_repr(value))
    assert repr(space.from_optuna_values(params)) == repr(config)


def test_what_optuna_proposes_between_steps_is_snapped_to_them():
    space = SearchSpace.parse({"x": "qloguniform(0.1, 1.0, 0.1)", "y": "quniform(0, 0.9, 0.3)"})
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(sampler=sampler)
    for _ in range(50):
        proposed = study.ask(space.to_optuna()).params
        assert space.contains(space.from_optuna_values(proposed))


def test_spaces_from_optuna():
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space = SearchSpace.from_objects(
        {
            "lr": FloatDistribution(1e-4, 1e-1, log=True),
            "dropout": FloatDistribution(0.0, 0.5, step=0.1),
            "layers": IntDistribution(1, 4),
            "width": IntDistribution(1, 64, log=True),
            "kernel": IntDistribution(1, 7, step=2),
            "conv": CategoricalDistribution(("gnn", "attention")),
            "plain": "uniform(0, 1)",
        }
    )
    assert space.to_dict() == {
        "lr": "loguniform(0.0001, 0.1)",
        "dropout": "quniform(0.0, 0.5, 0.1)",
        "layers": "randint(1, 5)",
        "width": "lograndint(1, 65)",
        "kernel": "choice([1, 3, 5, 7])",
        "conv": "choice([gnn, attention])",
        "plain": "uniform(0.0, 1.0)",
    }


def test_spaces_from_ray_tune_have_its_values():
    tune = pytest.importorskip("ray.tune")
    domains = {
        "a": tune.uniform(0, 1),
        "b": tune.qloguniform(0.1, 1.0, 0.1),
        "c": tune.randint(1, 4),
        "d": tune.qrandint(1, 10, 4),
        "e": tune.lograndint(1, 9),
        "f": tune.choice([(64, 64), np.int64(3)]),
        "g": {"h": tune.quniform(0.0, 0.6, 0.2)},
        "i": tune.grid_search([1, 2]),
        "j": tune.qrandint(1, 4, 1),
    }
    space = SearchSpace.from_objects(domains)
    assert [space.to_dict()[name] for name in ("d", "f", "g.h", "i", "j")] == [
        "qrandint(4, 8, 4)",
        "choice([[64, 64], 3])",
        "quniform(0.0, 0.6, 0.2)",
        "choice([1, 2])",
        "randint(1, 4)",
    ]
    for name, dimension in space.dimensions.items():
        domain = domains["g"]["h"] if name == "g.h" else domains[name]
        for value in [] if isinstance(domain, dict) else domain.sample(size=30):
            value = list(value) if isinstance(value, tuple) else value
            assert dimension.contains(dimension.snap(value)) and dimension.snap(value) == pytest.approx(value)
    with pytest.raises(SpaceError, match="x is a Ray Tune Float"):
        SearchSpace.from_objects({"x": tune.randn(0, 1)})
    with pytest.raises(SpaceError, match="x is a Ray Tune Function"):
        SearchSpace.from_objects({"x": tune.sample_from(lambda config: 1)})


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3), scalars | st.dictionaries(st.text("xy", min_size=1), scalars)
    )
)
def test_nesting_is_undone_by_flattening(nested):
    assert nest(flatten(nested)) == nested


def test_nesting_refuses_a_key_that_is_value_and_group():
    for flat in ({"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}):
        with pytest.raises(SpaceError):
            nest(flat)


@pytest.mark.parametrize(
    ("name", "count", "size"), [("mlpf", 5, 200 * 3**4), ("mlpf_architecture", 10, 2**2 * 4**7 * 5)]
)
def test_the_shipped_spaces(name, count, size):
    space = SearchSpace.load(name)
    assert len(space) == count and space.grid_size(3) == size
    assert list(load_yaml(search_space_file(name)).data) == list(space.dimensions)
