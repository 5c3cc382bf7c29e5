"""The simulator: what each cost adds, what a lost node does, and how cold and warm slots scale."""

from __future__ import annotations

from typing import Any

import pytest

from raise_hpo.decide import DecisionCore
from raise_hpo.drive.measured import measured_costs
from raise_hpo.drive.scaling import TimeSharing, scaling, speed_up
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.drive.slots import Slots
from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from tests.helpers import curve, decisions, spec


def simulated(slots: int, costs: Costs, seed: int = 0, **changes: Any) -> tuple[Simulator, list[Event]]:
    events: list[Event] = []
    clock = VirtualClock(costs.start_seconds)
    study = spec(**{"scheduler": "none", "default": False, "budget": {"trials": 6}, **changes})
    core = DecisionCore(study, events.extend, clock=clock)
    core.begin("simulated", slots, {})
    sim = Simulator(core, curve, slots, clock, lambda config: 10.0, costs, seed)
    assert sim.run()
    return sim, events


@pytest.mark.parametrize(
    ("costs", "seconds"),
    [
        (Costs(), 3 * 90),
        (Costs(start_seconds=60), 60 + 3 * 90),
        (Costs(build_seconds=5), 3 * 95),
        (Costs(reload_seconds=7), 3 * 97),
        (Costs(report_seconds=0.5), 3 * 94.5),
        (Costs(checkpoint_seconds=2), 3 * 108),
    ],
)
def test_each_cost_is_paid_when_it_arises(costs: Costs, seconds: float) -> None:
    sim, _ = simulated(2, costs)
    assert sim.clock.now == pytest.approx(seconds)
    assert sim.busy_seconds == pytest.approx(2 * (seconds - costs.start_seconds))


def test_checkpoints_are_paid_for_only_where_the_study_makes_them() -> None:
    sim, events = simulated(1, Costs(checkpoint_seconds=2), checkpoints={"every": 4}, budget={"trials": 1})
    assert sim.clock.now == pytest.approx(90 + 3 * 2)
    assert [event["epoch"] for event in events if event["event"] == "checkpointed"] == [4, 8, 9]


def test_a_trial_goes_back_to_the_slot_that_still_has_it() -> None:
    """Six trials take five turns on three slots: half of them find themselves where they were."""
    events: list[Event] = []
    clock = VirtualClock()
    study = spec(scheduler="none", default=False, budget={"trials": 6}, max_epochs=10)
    core = DecisionCore(study, events.extend, clock=clock)
    core.scheduler = TimeSharing(10, trials=6, chunk=2)
    core.begin("turns", 3, {})
    sim = Simulator(core, curve, 3, clock, lambda config: 10.0, Costs(reload_seconds=5))
    assert sim.run()
    last: dict[str, int] = {}
    reloads = 0
    for event in events:
        if event["event"] == "started":
            reloads += last.get(event["slot"]) != event["trial"]
            last[event["slot"]] = event["trial"]
    assert sim.reloads == reloads == 6 + 4 * 3
    assert sim.busy_seconds == pytest.approx(10 * 60 + 5 * reloads)
    assert clock.now == pytest.approx(5 * 2 * 20 + 5 * (2 + 4))


def test_costs_change_no_decision_of_one_slot() -> None:
    asha = {"scheduler": {"asha": {"mode": "promotion"}}, "budget": {"trials": 30}, "searcher": "tpe"}
    free, dear = (simulated(1, costs, **asha)[1] for costs in (Costs(), Costs(1, 2, 3, 4, 5)))
    assert decisions(free) == decisions(dear)


# Workers


def test_more_workers_are_faster_by_their_efficiency() -> None:
    costs = Costs(parallel_efficiency=0.9)
    assert [costs.speed(workers) for workers in (1, 2, 4)] == pytest.approx([1, 1.8, 4 * 0.81])
    for measured, workers, seconds in ((0, 1, 90), (0, 4, 90), (1, 4, 90 / 3.24), (4, 1, 90 * 3.24), (2, 4, 90 / 1.8)):
        epochs = Costs(parallel_efficiency=0.9, epoch_workers=measured)
        sim, _ = simulated(1, epochs, budget={"trials": 1}, resources={"workers": workers})
        assert sim.clock.now == pytest.approx(seconds)


def test_a_slot_of_another_size_has_to_be_started() -> None:
    """One trial of nine epochs, with one worker for the first of them, then with four, which are a new slot."""
    costs = Costs(group_seconds=7, build_seconds=2, parallel_efficiency=1.0)
    workers = {"rung 0": 1, "rung 1": 4}
    sim, events = simulated(4, costs, scheduler="asha", budget={"trials": 1}, resources={"workers": workers})
    assert sim.clock.now == pytest.approx(2 + 10 + 2 + 7 + 8 * 2.5)
    assert sim.busy_seconds == pytest.approx(12 + 4 * 29)
    assert [event["slot"] for event in events if event["event"] == "started"] == ["0", "4"]


def test_slots_are_broken_up_and_used_again() -> None:
    slots = Slots(4, 1, 5)
    assert slots.take(0, 1) == (0, False)
    large, made = slots.take(1, 4)
    assert (large, made, slots.has_free) == (4, True, False)
    slots.load(large, 1)
    slots.give_back(large)
    assert slots.take(2, 4) == (large, False)
    assert slots.load(large, 2) and not slots.load(large, 2)
    slots.give_back(large)
    assert slots.take(3, 2) == (5, True)
    assert slots.has_free and slots.count == 5


def test_a_slot_on_two_nodes_is_gone_with_one_of_them() -> None:
    slots = Slots(4, 1, 4)
    large, _ = slots.take(0, 3)
    slots.give_back(large)
    assert slots.on(range(2, 4)) == [3, large]
    kept = slots.lose(range(2, 4))
    assert kept == [3] and slots.count == 2
    assert slots.take(1, 2)[1]
    slots.restore(range(2, 4), kept)
    assert slots.count == 4
    assert slots.take(2, 1) == (3, False)


# Lost nodes


def test_what_a_lost_node_ran_is_tried_again_from_its_checkpoint() -> None:
    costs = Costs(failures_per_node_hour=60, recovery_seconds=30, slots_per_node=2)
    study = {"limits": {"attempts": 50}, "checkpoints": {"every": 3}}
    sim, events = simulated(4, costs, **study)
    lost = [event for event in events if event["event"] == "failed"]
    assert lost and sim.lost == len(lost)
    assert all(event["kind"] == "lost" and event["retry"] for event in lost)
    assert [trial.state for trial in sim.core.history.trials] == ["finished"] * 6
    assert sim.trained > 6 * 9 == sim.core.history.epochs
    for trial in sim.core.history.trials:
        assert all(stay.epoch in (0, 3, 6) for stay in trial.stays)


def test_both_slots_of_a_node_are_lost_together_and_gone_until_it_is_replaced() -> None:
    costs = Costs(failures_per_node_hour=20, recovery_seconds=30, slots_per_node=2)
    _, events = simulated(4, costs, limits={"attempts": 50}, budget={"trials": 30})
    lost: dict[float, int] = {}
    for event in events:
        if event["event"] == "failed":
            lost[event["time"]] = lost.get(event["time"], 0) + 1
    assert 2 in lost.values()
    began = sorted(event["began"] for event in events if event["event"] == "started")
    assert any(abs(begin - (time + 30)) < 0.01 for time in lost for begin in began)


def test_a_trial_that_is_lost_too_often_has_failed() -> None:
    costs = Costs(failures_per_node_hour=400, recovery_seconds=1)
    sim, _ = simulated(1, costs, checkpoints={"every": 9})
    failed = [trial for trial in sim.core.history.trials if trial.state == "failed"]
    assert failed and all(trial.attempt == 3 and trial.failure == ("lost", "node0 was lost") for trial in failed)


def test_losses_depend_on_the_seed_alone() -> None:
    costs = Costs(failures_per_node_hour=20, recovery_seconds=30)
    assert simulated(3, costs)[1] == simulated(3, costs)[1]
    assert simulated(3, costs)[1] != simulated(3, costs, seed=1)[1]


def test_a_configuration_that_breaks_leaves_a_cold_slot() -> None:
    def breaks(config: Config, epoch: int) -> dict[str, float]:
        if epoch == 2:
            raise RuntimeError("boom")
        return {"val_loss": 1.0}

    events: list[Event] = []
    clock = VirtualClock()
    core = DecisionCore(spec(scheduler="none", default=False, budget={"trials": 2}), events.extend, clock=clock)
    core.begin("broken", 1, {})
    sim = Simulator(core, breaks, 1, clock, costs=Costs(reload_seconds=10))
    sim.run()
    assert [trial.failure for trial in core.history.trials] == [("error", "RuntimeError: boom")] * 2
    assert clock.now == 2 * (10 + 2)


# Energy


def test_energy_of_busy_and_idle_nodes() -> None:
    costs = Costs(slots_per_node=4, busy_watts=1000, idle_watts=200)
    assert costs.nodes(9) == 3
    assert costs.kwh(8, 3600, 0) == pytest.approx(2 * 0.2)
    assert costs.kwh(8, 3600, 8 * 3600) == pytest.approx(2 * 1.0)
    assert costs.kwh(8, 3600, 4 * 3600) == pytest.approx(1.0 + 0.2)


# Scaling


@pytest.mark.parametrize("load", [0.25, 1.0])
def test_cold_slots_scale_better_than_ideally_as_the_formula_says_and_warm_ones_ideally(load: float) -> None:
    slots = [6, 12, 24, 48]
    rows = scaling(slots, chunk=4, epoch_seconds=10.0, costs=Costs(reload_seconds=40 * load))
    for row, count in zip(rows, slots, strict=True):
        assert row.ideal == count / 6
        assert row.warm == pytest.approx(row.ideal, rel=1e-6)
        assert row.predicted == pytest.approx(speed_up(6, count, 48, load))
        # The formula leaves out that each trial loads once at its start; that is one turn in twenty.
        assert row.cold == pytest.approx(row.predicted, rel=0.05)
    assert rows[-1].cold > 1.05 * rows[-1].ideal
    assert rows[-1].cold_seconds > rows[-1].warm_seconds


def test_the_formula() -> None:
    assert speed_up(12, 96, 96, 0.25) == pytest.approx(9.75)
    assert speed_up(12, 96, 96, 0.0) == pytest.approx(8.0)


# Measured costs


def test_costs_are_measured_in_a_studys_journal() -> None:
    events: list[Event] = []
    clock = VirtualClock(1000.0)
    core = DecisionCore(spec(scheduler="none", default=False, budget={"trials": 4}), events.extend, clock=clock)
    core.begin("real", 1, {})
    while (action := core.next()).__class__.__name__ == "Run":
        number = action.trial.number  # type: ignore[union-attr]
        core.started(number, "here", "0", 1, clock.now)
        clock.now += 30.0 if number == 0 else 4.0
        first = clock.now
        for epoch in range(1, 10):
            clock.now += 10.0 + 0.5
            core.report(number, epoch, {"val_loss": 1.0, "seconds": 10.0}, first_batch=first if epoch == 1 else None)
    costs = measured_costs(History(events))
    assert costs.build_seconds == pytest.approx(4.0)
    assert costs.start_seconds == pytest.approx(26.0)
    assert costs.report_seconds == pytest.approx(0.5)


def test_a_study_without_reports_costs_nothing_that_is_known() -> None:
    assert measured_costs(History()) == Costs()
