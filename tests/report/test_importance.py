from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raise_hpo.folder import StudyFolder
from raise_hpo.report.importance import FEWEST, importance
from tests.report.studies import make_study

SPACE = {"lr": "loguniform(1e-4, 1e-1)", "width": "randint(1, 65)", "layernorm": "choice([false, true])"}


def only(name: str) -> Any:
    """A loss that one hyperparameter alone decides."""
    return lambda config, epoch: {"val_loss": float(config[name]) + 1.0 / epoch}


@pytest.mark.parametrize("name", ["lr", "width", "layernorm"])
@pytest.mark.parametrize("scheduler", ["none", {"asha": {"mode": "promotion"}}])
def test_the_hyperparameter_that_decides_is_found(root: Path, name: str, scheduler: Any) -> None:
    folder = make_study(
        root / f"{name} {isinstance(scheduler, str)}", curve=only(name), default=None, search_space=SPACE,
        searcher="random", scheduler=scheduler, max_epochs=9, budget={"trials": 80},
    )  # fmt: skip
    found = importance(folder.history())
    assert next(iter(found.shares)) == name
    assert found.trials == 80
    assert sum(found.shares.values()) == pytest.approx(1)


def test_a_maximized_objective_gives_the_same(root: Path) -> None:
    settings: dict[str, Any] = {"default": None, "search_space": SPACE, "searcher": "random", "budget": {"trials": 40}}
    least = make_study(root / "least", curve=only("lr"), **settings)
    most = make_study(
        root / "most", objective={"metric": "score", "mode": "max"}, **settings,
        curve=lambda config, epoch: {"score": -only("lr")(config, epoch)["val_loss"]},
    )  # fmt: skip
    assert importance(least.history()).shares == pytest.approx(importance(most.history()).shares)


def test_few_trials_are_not_made_into_a_picture(root: Path) -> None:
    found = importance(make_study(root / "few", budget={"trials": FEWEST - 1}).history())
    assert found.shares == {}
    assert f"at least {FEWEST} trials" in found.why_not


def test_conditional_hyperparameters_count_too(finished: StudyFolder) -> None:
    found = importance(finished.history())
    assert "gnn.bin_size" in found.shares
    assert found.top == 5 <= found.trials <= 18


def test_equal_configurations_say_nothing(root: Path) -> None:
    folder = make_study(
        root / "equal", curve=lambda config, epoch: {"val_loss": 1.0}, default=None,
        search_space={"lr": "choice([0.1])"},
        searcher="random", budget={"trials": 12},
    )  # fmt: skip
    found = importance(folder.history())
    assert found.shares == {} and "no hyperparameter" in found.why_not
