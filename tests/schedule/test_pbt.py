"""Population-based training: who is replaced, by whose heirs, with which values; and what becomes of the files."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from raise_hpo.decide import DecisionCore, Run
from raise_hpo.errors import UserError
from raise_hpo.history import Config, History, Trial
from raise_hpo.journal import Event
from raise_hpo.schedule.explore import Explorer, perturbed_names, scaled
from raise_hpo.schedule.pbt import PBT
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec

from ..helpers import curve, decisions, simulator, spec
from .driven import Driven

SPACE = {"lr": "loguniform(1e-4, 1e-1)", "layers": "randint(1, 5)"}


def study(**changes: Any) -> StudySpec:
    given: dict[str, Any] = {"scheduler": {"pbt": {"interval": 3}}, "max_epochs": 12, "default": False}
    return spec(**{**given, **changes})


def simulated(slots: int = 8, **changes: Any) -> tuple[History, list[Event]]:
    events: list[Event] = []
    assert simulator(study(**changes), events, slots=slots).run()
    return History(events), events


def heirs(history: History) -> list[Trial]:
    return [trial for trial in history.trials if trial.parent]


# Who is replaced


@pytest.mark.parametrize("slots", [1, 2, 5, 8, 20])
def test_the_worst_quarter_is_replaced_by_heirs_of_the_best(slots: int) -> None:
    history, _ = simulated(slots)
    first = history.trials[:8]
    by_loss = sorted(first, key=lambda trial: trial.values[3])
    replaced = {trial.number for trial in first if trial.state == "stopped" and trial.epoch == 3}
    assert replaced == {trial.number for trial in by_loss[-2:]}
    parents = {heir.parent[0] for heir in heirs(history)[:2] if heir.parent}
    assert parents <= {trial.number for trial in by_loss[:2]}


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_the_population_stays_complete_and_ends(slots: int) -> None:
    history, events = simulated(slots)
    finished = [trial for trial in history.trials if trial.state == "finished"]
    assert len(finished) == 8
    assert history.suggested == 8
    assert len(heirs(history)) == history.counts()["stopped"] > 0
    assert not any(event["event"] == "exhausted" for event in events)


def test_members_that_are_slow_are_compared_with_what_others_had_when_as_far() -> None:
    """The slowest configuration is the best; by the latest losses it would be replaced."""
    events: list[Event] = []
    made = simulator(study(scheduler={"pbt": {"interval": 2}}, max_epochs=40), events, slots=8)
    first = [trial_config(made.core, number) for number in range(8)]
    best = min(first, key=lambda config: curve(config, 1)["val_loss"])
    made.seconds = lambda config: 5.0 if config == best else 1.0
    made.curve = lambda config, epoch: {"val_loss": curve(config, 1)["val_loss"] + 10 / epoch}
    assert made.run()
    history = History(events)
    member = next(trial for trial in history.trials if trial.config == best)
    assert member.state == "finished"


def trial_config(core: DecisionCore, number: int) -> Config:
    config = core.searcher.suggest(number, core.history)
    assert config is not None
    return config


def test_with_fewer_slots_than_members_nobody_gets_ahead() -> None:
    """They take turns: at any report, nobody is more than two intervals ahead of another member that may go on."""
    events: list[Event] = []
    simulator(study(), events, slots=3).run()
    history = History()
    for event in events:
        history.apply(event)
        alive = [trial for trial in history.trials if trial.state in ("running", "paused")]
        if event["event"] == "reported" and len(history.trials) >= 8 and alive:
            epochs = [max(trial.epoch, trial.parent[1] if trial.parent else 0) for trial in alive]
            assert max(epochs) - min(epochs) <= 6


def test_the_words_say_who_replaces_whom_and_why() -> None:
    history, events = simulated()
    heir = heirs(history)[0]
    assert heir.parent is not None
    event = next(event for event in events if event["event"] == "suggested" and event["trial"] == heir.number)
    replaced = int(event["parent"]["why"].split(";")[0].removeprefix("in place of trial "))
    place = "7th" if sorted(t.values[3] for t in history.trials[:8])[6] == history.trials[replaced].value else "8th"
    words = f"exploited: {place} of 8 at epoch 3; replaced by an heir of trial {heir.parent[0]}"
    assert history.trials[replaced].why == words
    before, after = (history.trials[number].config["lr"] for number in (heir.parent[0], heir.number))
    assert event["parent"]["why"].endswith(f"; lr {before:.4g} to {after:.4g}")


def test_nobody_better_with_a_checkpoint_nobody_replaced() -> None:
    scheduler = PBT(12, SearchSpace.parse(SPACE), 1, population=4, interval=3)
    for trial in range(4):
        scheduler.on_start(trial, {"lr": 0.01, "layers": 1})
    for trial, epochs in ((0, 2), (1, 2), (2, 2), (3, 3)):
        for epoch in range(1, epochs + 1):
            scheduler.on_report(trial, epoch, float(trial))
    decision = scheduler.decide(3, 3)
    assert (decision.action, decision.why) == ("continue", "4th of 4 at epoch 3; no better one has a checkpoint")


def test_an_heir_is_given_half_an_interval_before_it_is_compared() -> None:
    scheduler = PBT(40, SearchSpace.parse(SPACE), 1, population=4, interval=10)
    config = {"lr": 0.01, "layers": 1}
    for trial in range(4):
        scheduler.on_start(trial, config)
        for epoch in range(1, 11):
            scheduler.on_report(trial, epoch, trial - epoch / 100)
    scheduler.on_end(3)
    scheduler.on_heir(4, config, 0, 18)
    for epoch in (19, 20):
        scheduler.on_report(4, epoch, 9.0)
    assert scheduler.decide(4, 20).why == "an heir since epoch 18, not compared before its next interval"
    for epoch in range(21, 31):
        scheduler.on_report(4, epoch, 9.0)
    assert scheduler.decide(4, 30).action == "stop"


# Failures, budgets, resumption


def test_a_member_that_fails_leaves_its_place_to_an_heir() -> None:
    def breaks(config: Config, epoch: int) -> Any:
        if config["layers"] == 2 and epoch == 5:
            raise RuntimeError("broke")
        return curve(config, epoch)

    events: list[Event] = []
    assert simulator(study(), events, slots=8, curve=breaks).run()
    history = History(events)
    failed = [trial for trial in history.trials if trial.state == "failed"]
    assert failed
    assert history.suggested == 8
    assert history.counts()["finished"] == 8
    in_place = [event["parent"]["why"] for event in events if "parent" in event]
    assert all(any(why.startswith(f"in place of trial {trial.number};") for why in in_place) for trial in failed)


def test_a_member_that_fails_before_anyone_has_a_checkpoint_is_replaced_by_a_new_start() -> None:
    def breaks(config: Config, epoch: int) -> Any:
        if config["layers"] == 2:
            raise RuntimeError("broke")
        return curve(config, epoch)

    events: list[Event] = []
    assert simulator(study(), events, slots=8, curve=breaks).run()
    history = History(events)
    assert history.suggested > 8
    assert history.counts()["finished"] == 8


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_heirs_that_keep_failing_are_not_made_for_ever(slots: int) -> None:
    """As where a perturbed dimension shapes the model: no heir can load its parent's checkpoint."""
    events: list[Event] = []
    made = simulator(study(), events, slots=slots)
    first = [trial_config(made.core, number) for number in range(8)]

    def breaks(config: Config, epoch: int) -> Any:
        if config not in first:
            raise RuntimeError("the checkpoint does not fit")
        return curve(config, epoch)

    made.curve = breaks
    assert made.run()
    history = History(events)
    assert history.counts()["failed"] == 2 * 4
    assert history.counts()["finished"] == 6


def test_when_all_fail_the_budget_of_trials_ends_the_study() -> None:
    def breaks(config: Config, epoch: int) -> Any:
        raise RuntimeError("broke")

    events: list[Event] = []
    assert simulator(study(), events, slots=8, curve=breaks).run()
    assert History(events).counts() == {
        "total": 20, "failed": 20, "waiting": 0, "running": 0, "paused": 0, "finished": 0, "stopped": 0,
    }  # fmt: skip


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_population_that_stays_incomplete_is_trained_all_the_same(slots: int) -> None:
    history, _ = simulated(slots, searcher={"grid": {"points": 1}})
    assert history.suggested == 4
    assert history.counts()["finished"] == 4
    assert heirs(history)


def test_heirs_do_not_count_as_trials_of_the_budget() -> None:
    history, _ = simulated(8, budget={"trials": 8})
    assert len(history.trials) > history.suggested == 8
    assert history.counts()["finished"] == 8


@pytest.mark.parametrize("scheduler", ["pbt", "pb2"])
@pytest.mark.parametrize("slots", [1, 8])
def test_killed_anywhere_and_resumed_it_decides_the_same(scheduler: str, slots: int) -> None:
    """With one slot, or one a member and equal paces, the order of reports is that of the study left alone."""
    whole = study(scheduler={scheduler: {"interval": 2}}, max_epochs=10)
    undisturbed: list[Event] = []
    assert simulator(whole, undisturbed, slots=slots).run()
    rng = random.Random(slots)
    events: list[Event] = []
    simulator(whole, events, slots=slots).run(reports=20)
    for _ in range(6):
        if slots == 1:
            # A kill may tear the last lines off, down to the middle of a report and its decision.
            del events[len(events) - rng.randrange(3) :]
        more: list[Event] = []
        done = simulator(whole, more, before=list(events), slots=slots, start=events[-1]["time"]).run(
            reports=rng.randrange(1, 12)
        )
        events += more
        if done:
            break
    else:
        more = []
        assert simulator(whole, more, before=list(events), slots=slots, start=events[-1]["time"]).run()
        events += more
    if slots == 1:
        assert decisions(events) == decisions(undisturbed)
    history = History(events)
    assert history.state == "finished"
    assert history.counts()["finished"] == 8


def test_an_heir_starts_where_its_parent_is_and_not_before() -> None:
    history, events = simulated(3)
    begun = {event["trial"]: event["epoch"] for event in reversed(events) if event["event"] == "started"}
    assert heirs(history)
    for heir in heirs(history):
        assert heir.parent is not None
        assert begun[heir.number] == heir.parent[1] == min(heir.values) - 1
        assert sorted(heir.values) == list(range(heir.parent[1] + 1, heir.epoch + 1))


def test_a_parent_whose_checkpoint_was_not_noted_before_a_kill_is_waited_for() -> None:
    events: list[Event] = []
    core = DecisionCore(study(scheduler={"pbt": {"population": 4, "interval": 3}}), events.extend)
    core.begin("torn", 4, {})
    while isinstance(core.next(), Run):
        pass
    for epoch in (1, 2, 3):
        for number in (0, 1, 2, 3):
            core.report(number, epoch, {"val_loss": number + 1 / epoch}, f"{number}/{epoch}" if epoch == 3 else None)
    kept = [event for event in events if (event["event"], event.get("trial")) != ("checkpointed", 0)]
    again = DecisionCore(core.study, lambda more: None, events=[event for event in kept if "parent" not in event])
    again.go_on(4)
    first = again.next()
    assert isinstance(first, Run) and (first.trial.number, first.trial.parent) == (0, None)


# Values


CONDITIONAL = {
    "lr": "loguniform(1e-3, 1e-1)",
    "decay": "quniform(0.0, 0.5, 0.1)",
    "steps": "quniform(10, 2000, 10)",
    "layers": "randint(1, 5)",
    "act": "choice([relu, elu])",
    "rate": {"uniform": [0.0, 0.5], "when": {"act": "relu"}},
    "warm": {"uniform": [0.0, 1.0], "when": {"lr": {"above": 0.01}}},
    "forbidden": [{"lr": {"above": 0.05}, "decay": {"above": 0.25}}],
}


def test_by_default_real_numbers_are_perturbed_and_nothing_else() -> None:
    space = SearchSpace.parse(CONDITIONAL)
    assert perturbed_names(space, None, "pbt") == ("lr", "decay", "rate", "warm")
    assert perturbed_names(space, ["layers"], "pbt") == ("layers",)


@given(seed=some.integers(0, 10_000), named=some.sampled_from([None, ["lr", "layers", "act"]]))
@settings(max_examples=300, deadline=None)
def test_explored_configurations_are_of_the_space_and_near_their_parents(seed: int, named: list[str] | None) -> None:
    space = SearchSpace.parse(CONDITIONAL)
    rng = np.random.default_rng(seed)
    parent = space.sample(rng)
    explorer = Explorer(space, perturbed_names(space, named, "pbt"), [0.8, 1.2], 0.0)
    heir = explorer.explore(parent, rng)
    space.check(heir)
    assert not space.is_forbidden(heir)
    kept = {"steps", "layers", "act"} if named is None else {"steps", "act", "decay", "rate"}
    for name in kept & set(parent) & set(heir):
        assert heir[name] == parent[name]
    ratio = heir["lr"] / parent["lr"]
    at_edge = heir["lr"] in (1e-3, 1e-1)
    assert heir == parent or at_edge or min(abs(ratio - 0.8), abs(ratio - 1.2)) < 1e-9


def test_values_are_drawn_anew_as_often_as_said() -> None:
    space = SearchSpace.parse({"x": "uniform(0, 1)"})
    explorer = Explorer(space, ["x"], [0.8, 1.2], 0.25)
    rng = np.random.default_rng(3)
    found = [explorer.explore({"x": 0.5}, rng)["x"] for _ in range(4000)]
    anew = [x for x in found if x not in (0.4, 0.6)]
    assert len(anew) / 4000 == pytest.approx(0.25, abs=0.03)
    assert np.histogram(anew, bins=4, range=(0, 1))[0].min() > 180
    assert found.count(0.4) / found.count(0.6) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("notation", "value", "factor", "expected"),
    [
        ("uniform(0, 1)", 0.9, 1.2, 1.0),
        ("uniform(-1, 1)", -0.5, 1.2, -0.6),
        ("loguniform(1e-4, 1e-2)", 1.1e-4, 0.8, 1e-4),
        ("quniform(0.0, 0.5, 0.1)", 0.1, 1.2, 0.2),
        ("quniform(0.0, 0.5, 0.1)", 0.1, 0.8, 0.0),
        ("quniform(0.0, 0.5, 0.1)", 0.5, 1.2, 0.5),
        ("randint(1, 5)", 2, 1.2, 3),
        ("randint(1, 100)", 50, 0.8, 40),
    ],
)
def test_a_value_is_multiplied_and_kept_within_its_dimension(
    notation: str, value: float, factor: float, expected: float
) -> None:
    dimension = SearchSpace.parse({"x": notation}).dimensions["x"]
    found = scaled(dimension, value, factor)
    assert found == pytest.approx(expected)
    assert dimension.contains(found)


def test_where_all_is_forbidden_the_heir_has_its_parents_values() -> None:
    space = SearchSpace.parse({"x": "uniform(0, 1)", "forbidden": [{"x": {"below": 0.499}}, {"x": {"above": 0.501}}]})
    explorer = Explorer(space, ["x"], [0.8, 1.2], 0.0)
    assert explorer.explore({"x": 0.5}, np.random.default_rng(1)) == {"x": 0.5}


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"perturb": ["lrr"]},
            "scheduler.pbt.perturb names 'lrr', which is not in the search space, did you mean 'lr'?",
        ),
        ({"interval": 12}, "scheduler.pbt.interval is 12, but must be below max_epochs, which is 12"),
        ({"population": 3}, "scheduler.pbt.quantile is 0.25 of a population of 3, less than one member"),
        ({"quantile": 0.6}, "scheduler.pbt.quantile is 0.6, but must be at most 0.5"),
    ],
)
def test_options_that_do_not_fit_are_told_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        study(scheduler={"pbt": options})
    assert sentence in str(error.value)


def test_a_space_without_real_numbers_needs_names() -> None:
    with pytest.raises(UserError, match=r"must name dimensions that do not shape the model.*valid: layers"):
        study(search_space={"layers": "randint(1, 5)"})


def test_several_objectives_are_refused() -> None:
    several = [{"metric": "val_loss", "mode": "min"}, {"metric": "seconds", "mode": "min"}]
    with pytest.raises(UserError, match="'pbt' knows one objective only"):
        study(objective=several)


def test_the_interval_is_a_tenth_of_the_epochs() -> None:
    assert PBT(100, SearchSpace.parse(SPACE), 1).rungs == tuple(range(10, 100, 10))
    assert PBT(5, SearchSpace.parse(SPACE), 1).rungs == (1, 2, 3, 4)


# Training


def noisy_quadratic(config: Config, loss: float | None) -> float:
    """The expected loss of stochastic gradient descent on a parabola: a step shrinks it and adds the gradient's noise.

    With any constant rate the loss stops at a floor that grows with the rate, and falls slowly where that is low: the
    best rate falls as one over the epochs.
    """
    loss = 1.0 if loss is None else loss
    for _ in range(5):
        loss = (1 - config["lr"]) ** 2 * loss + config["lr"] ** 2 * 0.2
    return loss


@pytest.mark.parametrize("scheduler", ["pbt", "pb2"])
@pytest.mark.parametrize("slots", [3, 8])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_the_best_rate_changes_it_beats_every_constant_rate(
    tmp_path: Path, scheduler: str, slots: int, seed: int
) -> None:
    """PBT those that its population began with, PB2 also those that it found."""
    trained = Driven(
        study(scheduler={scheduler: {"interval": 5}}, max_epochs=100, seed=seed, search_space={"lr": SPACE["lr"]}),
        tmp_path, noisy_quadratic, slots=slots,
    )  # fmt: skip
    assert trained.run()
    best = trained.core.history.best()
    assert best is not None and best.value is not None
    constant = []
    for trial in trained.core.history.trials[: 8 if scheduler == "pbt" else None]:
        loss = None
        for _ in range(100):
            loss = noisy_quadratic(trial.config, loss)
        constant.append(loss)
    assert len(heirs(trained.core.history)) > 8
    assert best.value < 0.95 * min(constant)


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("slots", [1, 3, 8])
def test_no_heir_misses_its_checkpoint_and_none_is_left_over(tmp_path: Path, slots: int, every: int) -> None:
    """Killed at random moments, with files left as they were then; reading a checkpoint that is gone would raise."""
    rng = random.Random(10 * slots + every)
    whole = study(max_epochs=12, checkpoints={"keep": 2})
    driven = Driven(whole, tmp_path, noisy_quadratic, slots=slots, every=every)
    while not driven.run(reports=rng.randrange(1, 25), unpruned=rng.random() < 0.5):
        driven = Driven(whole, tmp_path, noisy_quadratic, slots=slots, every=every, before=driven.events)
    history = driven.core.history
    assert history.counts()["finished"] == 8
    finished = sorted((t for t in history.trials if t.state == "finished"), key=lambda t: t.value or math.inf)
    assert driven.files() == {trial.checkpoint[1] for trial in finished[:2] if trial.checkpoint}


def test_while_it_runs_only_checkpoints_that_are_needed_are_there(tmp_path: Path) -> None:
    driven = Driven(study(), tmp_path, noisy_quadratic, slots=3)
    driven.run(reports=60)
    alive = [trial for trial in driven.core.history.trials if trial.state not in ("stopped", "finished", "failed")]
    needed = {trial.checkpoint[1] for trial in alive if trial.checkpoint}
    assert needed <= driven.files()
    assert len(driven.files() - needed) <= 2


def test_an_heir_goes_on_from_its_parents_state(tmp_path: Path) -> None:
    driven = Driven(study(), tmp_path, noisy_quadratic, slots=8)
    assert driven.run()
    history = driven.core.history
    for heir in heirs(history):
        assert heir.parent is not None
        parent, epoch = heir.parent
        assert heir.values[epoch + 1] == noisy_quadratic(heir.config, history.trials[parent].values[epoch])
