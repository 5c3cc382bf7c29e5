import random
from collections import Counter

import pytest

from raise_hpo.decide import DecisionCore, Done, Run, Wait
from raise_hpo.history import History
from raise_hpo.journal import Event

from .helpers import DEFAULT, curve, decisions, simulator, spec


def run(study, **options) -> list[Event]:
    events: list[Event] = []
    assert simulator(study, events, **options).run()
    return events


@pytest.mark.parametrize("mode", ["stopping", "promotion"])
@pytest.mark.parametrize("slots", [1, 4])
def test_every_trial_ends_and_the_best_one_finishes(mode: str, slots: int) -> None:
    history = History(run(spec(scheduler={"asha": {"mode": mode}}), slots=slots))
    counts = history.counts()
    assert counts["total"] == 20 == counts["finished"] + counts["stopped"]
    assert history.state == "finished"
    best = history.best()
    assert best is not None and best.state == "finished" and best.epoch == 9


def test_the_default_runs_first_and_to_the_end() -> None:
    history = History(run(spec()))
    first = history.trials[0]
    assert (first.config, first.source, first.state, first.epoch) == (DEFAULT, "default", "finished", 9)
    assert history.default() is first


def test_without_default_the_searcher_starts() -> None:
    assert History(run(spec(default=False))).trials[0].source == "random"


def test_promotion_pauses_and_resumes() -> None:
    history = History(run(spec()))
    assert history.decisions["pause"] > 0 < history.decisions["resume"]
    promoted = [trial for trial in history.trials if len(trial.stays) > 1]
    assert promoted
    for trial in promoted:
        assert trial.stays[0].epoch == 0 < trial.stays[1].epoch


@pytest.mark.parametrize("searcher", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("mode", ["stopping", "promotion"])
def test_killed_anywhere_and_resumed_it_decides_the_same(searcher: str, mode: str) -> None:
    """A driver killed after any number of events, several times, makes the decisions of one that was left alone."""
    study = spec(searcher=searcher, scheduler={"asha": {"mode": mode}}, budget={"trials": 15})
    undisturbed = run(study)
    rng = random.Random(7)
    events: list[Event] = []
    simulator(study, events).run(reports=10)
    for _ in range(6):
        # A kill may tear the last lines off, down to the middle of a report and its decision.
        del events[len(events) - rng.randrange(3) :]
        more: list[Event] = []
        done = simulator(study, more, before=list(events), start=events[-1]["time"]).run(reports=rng.randrange(1, 12))
        events += more
        if done:
            break
    else:
        more = []
        assert simulator(study, more, before=list(events), start=events[-1]["time"]).run()
        events += more
    assert decisions(events) == decisions(undisturbed)


def test_no_epoch_is_reported_twice_after_kills_with_many_slots() -> None:
    study = spec(budget={"trials": 30})
    events: list[Event] = []
    simulator(study, events, slots=4).run(reports=25)
    more: list[Event] = []
    assert simulator(study, more, before=list(events), slots=4, start=events[-1]["time"]).run()
    seen = Counter((event["trial"], event["epoch"]) for event in events + more if event["event"] == "reported")
    assert max(seen.values()) == 1
    history = History(events + more)
    assert history.counts()["total"] == 30
    for trial in history.trials:
        assert sorted(trial.values) == list(range(1, trial.epoch + 1))


def test_a_maximised_metric_is_ranked_the_other_way() -> None:
    def accuracy(config, epoch):
        return {"accuracy": -curve(config, epoch)["val_loss"]}

    events: list[Event] = []
    assert simulator(spec(objective={"metric": "accuracy", "mode": "max"}), events, curve=accuracy).run()
    best_max, best_min = History(events).best(), History(run(spec())).best()
    assert best_max is not None and best_min is not None
    assert best_max.config == best_min.config


def test_the_budget_of_epochs_ends_the_study() -> None:
    history = History(run(spec(budget={"epochs": 30}), slots=3))
    assert 30 <= history.epochs <= 33
    assert "30 epochs" in history.why


def test_the_budget_of_hours_counts_all_sessions() -> None:
    study = spec(budget={"hours": 40 / 3600})
    events: list[Event] = []
    simulator(study, events).run(reports=20)
    more: list[Event] = []
    # A day between the sessions is nobody's work.
    assert simulator(study, more, before=list(events), start=86_400.0).run()
    history = History(events + more)
    assert 39 <= history.seconds <= 42
    assert "hours is spent" in history.why


def test_failures_of_the_configuration_are_recorded_and_the_study_goes_on() -> None:
    def breaks(config, epoch):
        if config["layers"] == 2:
            raise RuntimeError("layers do not fit")
        value = float("nan") if config["layers"] == 3 else curve(config, epoch)["val_loss"]
        return {} if config["layers"] == 4 else {"val_loss": value}

    history = History(run(spec(), curve=breaks))
    kinds = {trial.config["layers"]: trial.failure and trial.failure[0] for trial in history.trials}
    assert kinds == {1: None, 2: "error", 3: "nan", 4: "no_metric"}
    assert history.state == "finished"
    assert not any(trial.attempt > 1 for trial in history.trials)


def test_a_lost_trial_is_tried_again_and_given_up_after_its_attempts() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(), events.extend, DEFAULT)
    core.begin("lost", 1, {})
    for attempt in (1, 2, 3):
        action = core.next()
        assert isinstance(action, Run) and action.trial.number == 0 and action.trial.attempt == attempt
        assert core.failed(0, "lost", "node went away") is (attempt < 3)
    assert core.history.trials[0].failure == ("lost", "node went away")
    following = core.next()
    assert isinstance(following, Run) and following.trial.number == 1


def test_a_free_slot_waits_while_a_promotion_may_come() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(budget={"trials": 1}), events.extend, DEFAULT)
    core.begin("wait", 2, {})
    assert isinstance(core.next(), Run)
    assert isinstance(core.next(), Wait)
    for epoch in range(1, 10):
        core.report(0, epoch, {"val_loss": 1.0})
    assert isinstance(core.next(), Done)


def test_a_grid_ends_when_it_is_exhausted() -> None:
    study = spec(searcher={"grid": {"points": 2}}, scheduler="none", budget={"trials": 100}, default=False)
    history = History(run(study))
    assert len(history.trials) == 2 * 4
    assert history.why == "every configuration was tried"


def test_nothing_is_decided_that_the_journal_refused() -> None:
    def full(events: list[Event]) -> None:
        if any(event["event"] == "reported" for event in events):
            raise OSError("disk full")

    core = DecisionCore(spec(), full, DEFAULT)
    core.begin("full", 1, {})
    core.next()
    with pytest.raises(OSError, match="disk full"):
        core.report(0, 1, {"val_loss": 1.0})


def test_a_report_made_again_changes_nothing() -> None:
    events: list[Event] = []
    core = DecisionCore(spec(), events.extend, DEFAULT)
    core.begin("again", 1, {})
    core.next()
    core.report(0, 1, {"val_loss": 1.0})
    before = list(events)
    assert core.report(0, 1, {"val_loss": 1.0}).action == "continue"
    assert events == before


def test_that_no_new_trial_will_come_is_told_once_and_journaled() -> None:
    for study, why in (
        (spec(budget={"trials": 6}), "6 trials are done"),
        (spec(searcher={"grid": {"points": 1}}, budget={"trials": 100}), "every configuration was tried"),
    ):
        events = run(study, slots=2)
        told = [event["why"] for event in events if event["event"] == "exhausted"]
        assert told == [why]
        assert History(events).exhausted == len(History(events).trials)
    assert not any(event["event"] == "exhausted" for event in run(spec(budget={"epochs": 30})))
