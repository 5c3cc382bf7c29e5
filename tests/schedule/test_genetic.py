"""The genetic scheduler: who breeds with whom, what heirs have of either, what grows; and what becomes of the files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.errors import UserError
from raise_hpo.history import Config, History, Trial
from raise_hpo.journal import Event
from raise_hpo.schedule.genetic import next_larger
from raise_hpo.session import checked_trainable
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec

from ..helpers import decisions, simulator, spec
from ..toys import Line
from .driven import Driven

SPACE = {
    "lr": "loguniform(1e-4, 1e-1)",
    "decay": "uniform(0.0, 1.0)",
    "size": "choice([1, 2, 4, 8])",
    "layers": "randint(1, 3)",
}
GENETIC = {"interval": 3, "grow": ["size"], "grow_probability": 0.5, "crossover": 1.0}
UNMUTATED = {"factors": [1.0], "resample_probability": 0.0}


def study(**changes: Any) -> StudySpec:
    given: dict[str, Any] = {"search_space": SPACE, "max_epochs": 12, "default": False}
    return spec(**{**given, "scheduler": {"genetic": GENETIC}, **changes})


def genetic(**options: Any) -> StudySpec:
    return study(scheduler={"genetic": {**GENETIC, **options}})


def loss(config: Config, epoch: int) -> dict[str, float]:
    return {"val_loss": config["decay"] + 1 / epoch + 0.01 / config.get("size", 1)}


def simulated(whole: StudySpec, slots: int = 8) -> tuple[History, list[Event]]:
    events: list[Event] = []
    assert simulator(whole, events, slots=slots, curve=loss).run()
    return History(events), events


def heirs(history: History) -> list[Trial]:
    return [trial for trial in history.trials if trial.parent]


def configs(history: History, heir: Trial) -> tuple[Config, Config | None]:
    """Those of an heir's parent and mate."""
    assert heir.parent is not None
    mate = history.trials[heir.mate[0]].config if heir.mate else None
    return history.trials[heir.parent[0]].config, mate


# Two parents


def test_each_setting_is_of_one_of_two_parents_that_agree_in_all_others() -> None:
    of_mate = []
    for seed in range(8):
        whole = study(scheduler={"genetic": {**GENETIC, **UNMUTATED, "grow_probability": 0.0}}, seed=seed)
        history, _ = simulated(whole)
        for heir in heirs(history):
            parent, mate = configs(history, heir)
            assert all(heir.config[name] == parent[name] for name in ("size", "layers"))
            if mate is None:
                assert heir.config == parent
                continue
            assert heir.mate and heir.parent and heir.mate[0] != heir.parent[0]
            assert all(mate[name] == parent[name] for name in ("size", "layers"))
            for name in ("lr", "decay"):
                assert heir.config[name] in (parent[name], mate[name])
                if mate[name] != parent[name]:
                    of_mate.append(heir.config[name] == mate[name])
    assert 0.2 < sum(of_mate) / len(of_mate) < 0.8


def test_with_a_space_in_which_all_fit_nearly_all_heirs_have_two_parents() -> None:
    whole = study(search_space={"lr": SPACE["lr"], "decay": SPACE["decay"]}, scheduler={"genetic": {"crossover": 1.0}})
    history, events = simulated(whole)
    assert sum(heir.mate is not None for heir in heirs(history)) > 0.9 * len(heirs(history)) > 5
    event = next(event for event in events if "mate" in event.get("parent", {}))
    assert f"; crossed with trial {event['parent']['mate']['trial']}; " in event["parent"]["why"]


@pytest.mark.parametrize(("crossover", "least", "most"), [(0.0, 0.0, 0.0), (0.5, 0.3, 0.7)])
def test_there_is_a_second_parent_as_often_as_said(crossover: float, least: float, most: float) -> None:
    space = {"lr": SPACE["lr"], "decay": SPACE["decay"]}
    options = {"genetic": {"crossover": crossover, "interval": 1, "quantile": 0.5}}
    history, _ = simulated(study(search_space=space, scheduler=options, max_epochs=40))
    found = heirs(history)
    assert len(found) > 40
    assert least <= sum(heir.mate is not None for heir in found) / len(found) <= most


def test_a_mate_is_of_the_better_half_and_has_a_checkpoint() -> None:
    whole = study(search_space={"lr": SPACE["lr"], "decay": SPACE["decay"]}, scheduler={"genetic": {"crossover": 1.0}})
    history, _ = simulated(whole)
    first = heirs(history)[0]
    assert first.mate is not None and first.parent is not None
    by_loss = sorted(history.trials[:8], key=lambda trial: trial.values[1])
    assert first.mate[0] in {trial.number for trial in by_loss[:4]}


# Growth


def test_growing_settings_grow_by_one_and_never_shrink_and_nothing_fixed_changes() -> None:
    grown = 0
    for seed in range(4):
        whole = study(scheduler={"genetic": GENETIC}, seed=seed)
        history, _ = simulated(whole)
        for heir in heirs(history):
            parent, _ = configs(history, heir)
            sizes = [1, 2, 4, 8]
            steps = sizes.index(heir.config["size"]) - sizes.index(parent["size"])
            assert steps in (0, 1)
            assert heir.config["layers"] == parent["layers"]
            grown += steps
    assert grown > 0


@pytest.mark.parametrize(
    ("notation", "value", "following"),
    [
        ("choice([0.125, 0.25, 0.5])", 0.25, 0.5),
        ("choice([0.125, 0.25, 0.5])", 0.5, None),
        ("randint(1, 10)", 1, 2),
        ("randint(1, 10)", 6, 9),
        ("randint(1, 10)", 9, None),
        ("quniform(16, 256, 16)", 64, 96),
        ("uniform(0.1, 1.0)", 0.4, 0.6),
        ("uniform(0.1, 1.0)", 0.8, 1.0),
        ("uniform(0.1, 1.0)", 1.0, None),
    ],
)
def test_the_next_larger_value(notation: str, value: float, following: float | None) -> None:
    dimension = SearchSpace.parse({"x": notation}).dimensions["x"]
    assert next_larger(dimension, value) == (following if following is None else pytest.approx(following))


def test_the_workers_are_told_how_much_noise_weights_get() -> None:
    history, _ = simulated(genetic(mutation=0.05))
    assert {heir.mutation for heir in heirs(history)} == {0.05}
    assert {trial.mutation for trial in history.trials if not trial.parent} == {0.0}


# Interruptions and files


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_anywhere_and_resumed_it_decides_the_same(seed: int) -> None:
    whole = study(seed=seed)
    _, undisturbed = simulated(whole, slots=1)
    rng = random.Random(seed)
    events: list[Event] = []
    simulator(whole, events, slots=1, curve=loss).run(reports=30)
    while True:
        del events[len(events) - rng.randrange(3) :]
        more: list[Event] = []
        again = simulator(whole, more, before=list(events), slots=1, start=events[-1]["time"], curve=loss)
        done = again.run(reports=rng.randrange(5, 30))
        events += more
        if done:
            break
    assert decisions(events) == decisions(undisturbed)
    assert [event["parent"] for event in events if "parent" in event] == [
        event["parent"] for event in undisturbed if "parent" in event
    ]


def decaying(config: Config, state: float | None) -> float:
    return (1.0 if state is None else state) * (0.5 + 0.5 * config["decay"])


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_a_mates_checkpoint_is_kept_until_the_heir_has_its_own_and_not_longer(tmp_path: Path, slots: int) -> None:
    space = {"lr": SPACE["lr"], "decay": SPACE["decay"]}
    whole = study(search_space=space, scheduler={"genetic": {"crossover": 1.0, "interval": 3, "quantile": 0.5}})
    driven = Driven(whole, tmp_path, decaying, slots=slots, every=6)
    waited = 0
    while not driven.run(reports=slots + 1):
        history = driven.core.history
        alive = [trial for trial in history.trials if trial.state in ("waiting", "running", "paused")]
        kept = {path for trial in alive for path in trial.files}
        assert kept <= driven.files()
        mates = [trial for trial in alive if trial.mate_checkpoint]
        waited += len(mates)
        for trial in mates:
            assert trial.inherits and trial.mate_checkpoint in driven.files()
    assert waited > 0
    best = driven.core.history.best()
    assert best is not None and best.checkpoint is not None and driven.files() == {best.checkpoint[1]}


def test_a_mate_whose_checkpoint_was_not_noted_before_a_kill_is_waited_for() -> None:
    space = {"lr": SPACE["lr"], "decay": SPACE["decay"]}
    whole = study(search_space=space, scheduler={"genetic": {"crossover": 1.0, "interval": 3}})
    _, events = simulated(whole)
    number, event = next((i, event) for i, event in enumerate(events) if "mate" in event.get("parent", {}))
    mate = event["parent"]["mate"]["trial"]
    torn = [each for each in events[:number] if (each["event"], each.get("trial")) != ("checkpointed", mate)]
    more: list[Event] = []
    assert simulator(whole, more, before=torn, slots=8, start=torn[-1]["time"], curve=loss).run()
    told = [(each["event"], each.get("trial"), each.get("parent", {}).get("mate", {}).get("trial")) for each in more]
    saved = next(place for place, each in enumerate(told) if each[:2] == ("checkpointed", mate))
    born = [place for place, each in enumerate(told) if each[2] == mate]
    assert born and min(born) > saved


# Options


def test_a_trainable_that_cannot_grow_is_told_before_anything_starts() -> None:
    whole = study(trainable="tests.toys:Line", search_space={"lr": SPACE["lr"], "width": "randint(2, 9)"},
                  scheduler={"genetic": {"grow": ["width"]}})  # fmt: skip
    with pytest.raises(UserError, match=r"grow names width, but Line has no method grown.*; leave the option out"):
        checked_trainable(whole, Line)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"grow": ["sizes"]}, "scheduler.genetic.grow names 'sizes', which is not in the search space, did you mean"),
        ({"grow": ["size"], "perturb": ["size"]}, "names 'size', which 'perturb' names, too; valid: one of them"),
        ({"grow": ["kind"]}, "names 'kind', whose values choice([big, small]) are not numbers in rising order"),
        ({"crossover": 1.5}, "scheduler.genetic.crossover is 1.5"),
        ({"interval": 12}, "scheduler.genetic.interval is 12, but must be below max_epochs, which is 12"),
    ],
)
def test_options_that_do_not_fit_are_told_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        study(scheduler={"genetic": options}, search_space={**SPACE, "kind": "choice([big, small])"})
    assert sentence in str(error.value)
