"""The stopper in studies on a virtual clock: what it spares, when it stands aside, and resuming it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.space import SearchSpace
from tests.helpers import SPACE, decisions, killed_and_resumed, spec

SCHEDULERS: list[Any] = [{"asha": {"mode": "promotion"}}, {"asha": {"mode": "stopping"}}, "hyperband"]


def settles(config: Config, epoch: int) -> Mapping[str, float]:
    """A loss that the first epochs tell."""
    return {"val_loss": (math.log10(config["lr"]) + 2.5) ** 2 + 0.1 * config["layers"] + 1.0 / epoch}


def overtakes(config: Config, epoch: int) -> Mapping[str, float]:
    """A loss whose fall a dimension decides and whose end another: its order turns on the way."""
    speed = 0.05 + 0.1 * config["layers"]
    return {"val_loss": (math.log10(config["lr"]) + 4) / 3 + 3 * math.exp(-speed * epoch)}


def study(stopper: Any, scheduler: Any, seed: int = 1, trials: int = 50) -> Any:
    return spec(
        stopper=stopper, scheduler=scheduler, max_epochs=27, budget={"trials": trials}, default=False, seed=seed
    )


def run(how: Any, curve: Any, earlier: Any = (), slots: int = 4) -> tuple[list[Event], int]:
    """The events of a study, and the epochs it trained."""
    events: list[Event] = []
    clock = VirtualClock()
    core = DecisionCore(how, events.extend, clock=clock, earlier=earlier)
    core.begin("stops", slots, {})
    simulator = Simulator(core, curve, slots, clock)
    simulator.run()
    return events, simulator.trained


def table_of(curve: Any, rows: int = 40) -> CurveTable:
    space = SearchSpace.parse(SPACE)
    configs = [space.sample(np.random.default_rng([3, row])) for row in range(rows)]
    losses = [[curve(config, epoch)["val_loss"] for epoch in range(1, 28)] for config in configs]
    return CurveTable("old", space, configs, np.array(losses))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_where_the_first_epochs_tell_it_spares_epochs_and_ends_as_well(scheduler: Any) -> None:
    (plain, all_epochs), (events, fewer) = (
        run(study(name, scheduler, trials=150), settles) for name in ("none", "last")
    )
    ends = [History(each).best() for each in (plain, events)]
    assert ends[0] is not None and ends[1] is not None
    assert fewer < 0.95 * all_epochs
    assert (ends[1].value, ends[1].epoch) == (ends[0].value, ends[0].epoch)
    assert History(events).counts()["total"] == History(plain).counts()["total"]


def test_a_stop_says_what_was_expected_and_needed() -> None:
    events, _ = run(study("last", "hyperband"), settles)
    stops = [event for event in events if "predicted" in event]
    assert stops
    for event in stops:
        rung, loss = event["predicted"]
        needed = float(event["why"].rpartition(" needs ")[2])
        assert event["decision"] == "stop" and event["epoch"] < rung and loss > needed
        assert event["why"].startswith(f"predicted {loss:.6g} ± ")


def test_the_guard_trusts_the_model_where_the_last_loss_misleads() -> None:
    events, _ = run(study("svr", {"asha": {"mode": "promotion"}}), overtakes, [table_of(overtakes)])
    verdicts = [event for event in events if event["event"] == "guarded"]
    trusted = [event for event in verdicts if event["predictor"] == "svr"]
    assert trusted and all(event["rank"] > event["last"] for event in trusted)


def test_the_guard_stands_aside_where_the_last_loss_tells_all() -> None:
    events, _ = run(study("svr", "hyperband"), lambda config, epoch: {"val_loss": config["lr"] + 1 / epoch})
    verdicts = [event for event in events if event["event"] == "guarded"]
    assert verdicts and all(event["predictor"] == "last" and event["last"] == 1 for event in verdicts)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("warm", [False, True])
def test_killed_anywhere_and_resumed_it_stops_the_same_trials(scheduler: Any, warm: bool) -> None:
    how, earlier = study("svr", scheduler, trials=40), [table_of(overtakes)] if warm else []
    undisturbed, _ = run(how, overtakes, earlier, slots=1)
    assert any("predicted" in event for event in undisturbed)
    again = killed_and_resumed(how, random.Random(5), range(20, 60), curve=overtakes, default=None, earlier=earlier)
    assert decisions(again) == decisions(undisturbed)
