import numpy as np
import pytest

from raise_hpo.search.rl import Policy, RLSearcher
from raise_hpo.space import SearchSpace
from tests.search.play import add, history, run

SPACE = SearchSpace.parse(
    {
        "lr": "loguniform(1e-4, 1e-1)",
        "act": "choice([relu, elu, gelu])",
        "heads": {"randint": [1, 4], "when": {"act": "elu"}},
    }
)


def test_probabilities_move_towards_what_is_rewarded():
    searcher = RLSearcher(SPACE, 1)
    told = run(searcher, lambda config: {"relu": 1.0, "elu": 0.0, "gelu": 2.0}[config["act"]] + config["lr"], 60)
    probabilities = searcher.policy(told).probabilities
    assert np.argmax(probabilities[1]) == 1 and probabilities[1, 1] > 0.6
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert np.all(probabilities[1, 3:] == 0)


def test_failures_make_an_action_less_likely():
    told = history()
    for act in ("relu", "gelu", "relu", "gelu", "relu"):
        add(told, {"lr": 0.01, "act": act}, [1.0], "failed" if act == "gelu" else "stop")
    relu, elu, gelu = RLSearcher(SPACE, 1, decay=0.0).policy(told).probabilities[1, :3]
    assert gelu < elu < relu


def test_an_inactive_dimension_is_left_as_it_is():
    told = history()
    for loss in (3.0, 2.0, 1.0):
        add(told, {"lr": 0.01, "act": "relu"}, [loss])
    policy = RLSearcher(SPACE, 1).policy(told)
    assert np.all(policy.logits[2, :3] == 0) and not np.all(policy.logits[0] == 0)


def test_a_reward_is_the_share_of_earlier_trials_that_are_worse():
    policy = Policy.uniform([2])
    standings = [(-1, 5.0), (-1, 4.0), (-3, 9.0), (-1, 6.0), (0, np.inf), (-1, 4.5)]
    assert [policy.reward(standing) for standing in standings] == pytest.approx([0, 1, 1, -1, -1, 0.2])


def test_a_step_follows_the_gradient_of_the_expected_reward_and_the_entropy():
    rng = np.random.default_rng(0)
    policy = Policy(np.where(np.arange(4) < np.array([[4], [3]]), rng.normal(size=(2, 4)), -np.inf), baseline=0.2)
    actions, reward, entropy = (2, 0), 0.9, 0.3

    def objective(logits: np.ndarray) -> float:
        chances = Policy(logits).probabilities
        known = chances[chances > 0]
        logarithm = sum(np.log(chances[row, action]) for row, action in enumerate(actions))
        return float((reward - 0.2) * logarithm - entropy * (known * np.log(known)).sum())

    before, step = policy.logits.copy(), 1e-6
    policy.learn(actions, reward, 1.0, entropy)
    for row, column in ((0, 0), (0, 2), (1, 0), (1, 2)):
        up, down = before.copy(), before.copy()
        up[row, column] += step
        down[row, column] -= step
        slope = (objective(up) - objective(down)) / (2 * step)
        assert policy.logits[row, column] - before[row, column] == pytest.approx(slope, abs=1e-6)


def test_draws_follow_the_probabilities():
    policy = Policy(np.log(np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 1e-300]])))
    rng = np.random.default_rng(0)
    drawn = np.array([policy.draw(rng) for _ in range(5000)])
    for row, expected in enumerate(policy.probabilities):
        assert np.bincount(drawn[:, row], minlength=3) / 5000 == pytest.approx(expected, abs=0.02)


def test_more_values_than_bins_are_drawn_evenly_at_first():
    space = SearchSpace.parse({"n": "randint(0, 100)"})
    searcher = RLSearcher(space, 1, bins=8)
    drawn = [searcher.suggest(number, history())["n"] for number in range(4000)]
    assert set(drawn) == set(range(100)) and np.std(np.bincount(drawn)) < 12
