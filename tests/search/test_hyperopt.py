import logging
import sys

import numpy as np
import pytest

from raise_hpo.errors import UserError
from raise_hpo.search.hyperopt import HyperoptSearcher
from raise_hpo.space import SearchSpace
from tests.search.play import add, history, run

SPACE = SearchSpace.parse(
    {
        "lr": "loguniform(1e-4, 1e-1)",
        "steps": "quniform(10, 50, 10)",
        "rate": "quniform(0.0, 0.3, 0.1)",
        "width": "lograndint(1, 9)",
        "conv": "choice([gnn, att])",
        "heads": {"randint": [1, 4], "when": {"conv": "att"}},
    }
)


def test_the_first_draws_are_distributed_as_the_search_space_says():
    searcher = HyperoptSearcher(SPACE, 1)
    drawn = [searcher.suggest(number, history()) for number in range(800)]
    sampled = [SPACE.sample(np.random.default_rng(number)) for number in range(5000)]
    for name in ("steps", "rate", "width", "conv", "heads"):
        for value in SPACE.dimensions[name].grid(1):
            share, expected = (
                np.mean([config[name] == value for config in configs if name in config]) for configs in (drawn, sampled)
            )
            assert share == pytest.approx(expected, abs=0.06), (name, value)
    units = [SPACE.dimensions["lr"].to_unit(config["lr"]) for config in drawn]
    assert np.histogram(units, 4, (0, 1))[0] / 800 == pytest.approx([0.25] * 4, abs=0.06)


@pytest.mark.parametrize("algorithm", ["tpe", "anneal"])
def test_it_suggests_what_hyperopt_itself_suggests(algorithm):
    """With HyperOpt's own bookkeeping, and losses in place of ranks."""
    from hyperopt import Domain, Trials, anneal, hp, tpe

    space = SearchSpace.parse({"x": "uniform(-1, 1)", "lr": "loguniform(0.001, 1)", "c": "choice([a, b, c])"})
    searcher = HyperoptSearcher(space, 4, algorithm=algorithm, startup_trials=5)
    told = run(searcher, lambda config: config["x"] ** 2 + config["lr"], 15)
    domain = Domain(
        lambda config: 0.0,
        {"x": hp.uniform("x", -1, 1), "lr": hp.loguniform("lr", np.log(0.001), 0.0), "c": hp.randint("c", 3)},
    )
    trials = Trials()
    for trial in told.trials:
        values = {"x": [trial.config["x"]], "lr": [trial.config["lr"]], "c": ["abc".index(trial.config["c"])]}
        (document,) = trials.new_trial_docs(
            [trial.number],
            [None],
            [{"status": "ok", "loss": trial.value}],
            [
                {
                    "tid": trial.number,
                    "cmd": domain.cmd,
                    "idxs": {name: [trial.number] for name in values},
                    "vals": values,
                }
            ],
        )
        document["state"] = 2
        trials.insert_trial_doc(document)
    trials.refresh()
    seed = int(searcher.rng(15).integers(2**31))
    if algorithm == "tpe":
        (asked,) = tpe.suggest([15], domain, trials, seed, n_startup_jobs=5)
    else:
        (asked,) = anneal.suggest([15], domain, trials, seed)
    values = {name: value[0] for name, value in asked["misc"]["vals"].items()}
    suggested = searcher.suggest(15, told)
    assert (suggested["x"], suggested["lr"]) == pytest.approx((values["x"], values["lr"]))
    assert suggested["c"] == "abc"[values["c"]]


def test_a_failed_configuration_counts_as_worst():
    told = history()
    rng = np.random.default_rng(0)
    for _ in range(40):
        config = SPACE.sample(rng)
        add(told, config, [1.0], "failed" if config["conv"] == "att" else "stop")
    searcher = HyperoptSearcher(SPACE, 1)
    assert np.mean([searcher.suggest(40 + number, told)["conv"] == "gnn" for number in range(30)]) > 0.7


def test_without_the_package_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "hyperopt", None)
    with pytest.raises(UserError, match=r"not installed: pip install 'raise-hpo\[hyperopt\]'"):
        HyperoptSearcher(SPACE, 1)


def test_hyperopts_log_is_as_loud_as_before():
    logger = logging.getLogger("hyperopt")
    logger.setLevel(logging.INFO)
    HyperoptSearcher(SPACE, 1).suggest(0, history())
    assert logger.level == logging.INFO
