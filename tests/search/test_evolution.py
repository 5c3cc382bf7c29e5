from collections import Counter

import numpy as np
import pytest

from raise_hpo.search.evolution import EvolutionSearcher, mutated
from raise_hpo.space import SearchSpace
from tests.search.play import add, history

SPACE = SearchSpace.parse({"a": "uniform(0, 1)", "b": "randint(0, 9)", "c": "choice([x, y, z])", "d": "choice([w])"})


def population(searcher: EvolutionSearcher, losses: list[float], configs: list[dict] | None = None):
    told = history()
    rng = np.random.default_rng(0)
    for number, loss in enumerate(losses):
        add(told, configs[number] if configs else SPACE.sample(rng), [loss])
    return searcher.population(told)


def test_a_child_differs_from_its_only_parent_in_one_gene_and_by_chance_in_more():
    searcher = EvolutionSearcher(SPACE, 1, population=2, tournament=2, crossover=0.0, mutation=0.2)
    members = population(searcher, [1.0, 2.0])
    parent, rng = members[0].code, np.random.default_rng(5)
    changed = Counter()
    for _ in range(2000):
        child = searcher.child(members, rng)
        SPACE.check(child)
        changed[sum(child[name] != parent[name] for name in SPACE.dimensions)] += 1
    # One of three genes for sure, each of the other two with probability 0.2.
    shares = [changed[number] / 2000 for number in range(4)]
    assert shares == pytest.approx([0, 0.64, 0.32, 0.04], abs=0.03)


def test_without_mutation_beyond_the_first_gene_a_cross_has_each_gene_from_a_parent():
    searcher = EvolutionSearcher(SPACE, 1, population=2, tournament=1, crossover=1.0, mutation=0.0)
    one, other = {"a": 0.1, "b": 1, "c": "x", "d": "w"}, {"a": 0.9, "b": 8, "c": "y", "d": "w"}
    members = population(searcher, [1.0, 2.0], [one, other])
    rng = np.random.default_rng(5)
    children = [searcher.child(members, rng) for _ in range(300)]
    foreign = [sum(child[name] not in (one[name], other[name]) for name in one) for child in children]
    assert max(foreign) == 1
    assert any({child["a"], child["b"]} & {0.1, 1} and {child["a"], child["b"]} & {0.9, 8} for child in children)


def test_a_parent_is_the_best_of_a_tournament():
    searcher = EvolutionSearcher(SPACE, 1, population=6, tournament=6, crossover=0.0, mutation=0.0)
    members = population(searcher, [3.0, 2.0, 0.5, 4.0, 1.0, 5.0])
    rng = np.random.default_rng(1)
    for _ in range(50):
        child = searcher.child(members, rng)
        assert sum(child[name] != members[2].code[name] for name in child) == 1


def test_the_population_ages_a_generation_at_a_time():
    searcher = EvolutionSearcher(SPACE, 1, population=4, offspring=3)
    losses = [float(number) for number in range(13)]

    def ages(count: int) -> list[float]:
        return [member.loss for member in population(searcher, losses[:count])]

    assert ages(3) == [0, 1, 2]
    assert ages(4) == ages(6) == [0, 1, 2, 3]
    assert ages(7) == ages(9) == [3, 4, 5, 6]
    assert ages(13) == [9, 10, 11, 12]


def test_the_first_population_is_random():
    searcher = EvolutionSearcher(SPACE, 1, population=4)
    told = history()
    for number in range(4):
        config = searcher.suggest(number, told)
        assert config == SPACE.sample(searcher.rng(number))
        add(told, config, [1.0])


@pytest.mark.parametrize(
    "notation",
    [
        "uniform(0, 1)",
        "loguniform(1e-5, 1)",
        "randint(0, 2)",
        "lograndint(1, 9)",
        "quniform(0, 1, 0.5)",
        "choice([a, b])",
    ],
)
def test_a_mutated_value_is_another_one_of_the_dimension(notation):
    (dimension,) = SearchSpace.parse({"d": notation}).dimensions.values()
    rng = np.random.default_rng(0)
    for _ in range(200):
        value = dimension.from_unit(rng.random())
        other = mutated(dimension, value, 0.01, rng)
        assert dimension.contains(other) and other != value


def test_numbers_mutate_to_near_ones():
    (dimension,) = SearchSpace.parse({"lr": "loguniform(1e-5, 1)"}).dimensions.values()
    rng = np.random.default_rng(0)
    moved = [dimension.to_unit(mutated(dimension, 1e-3, 0.1, rng)) - dimension.to_unit(1e-3) for _ in range(4000)]
    assert np.mean(moved) == pytest.approx(0, abs=0.01) and np.std(moved) == pytest.approx(0.1, rel=0.05)


def test_a_space_of_one_configuration_has_that_one():
    space = SearchSpace.parse({"d": "choice([w])"})
    searcher = EvolutionSearcher(space, 1, population=2)
    told = history()
    for number in range(5):
        add(told, {"d": "w"}, [1.0])
        assert searcher.suggest(number + 1, told) == {"d": "w"}
