"""Hyperband against the table of its paper, and played through the decision core."""

import math
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from raise_hpo.errors import UserError
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.schedule.hyperband import Hyperband
from raise_hpo.testing.play import Play

from ..helpers import curve, decisions, simulator, spec

# Li et al. 2018, table 1, for R = 81 and eta = 3: trials and epochs of each stage of the brackets s = 4 to 0.
PAPER = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]
CYCLE = sum(stages[0][0] for stages in PAPER)


def reached(stages: list[tuple[int, int]]) -> Counter[int]:
    """How many trials of a bracket end after each number of epochs."""
    following = [trials for trials, _ in stages[1:]] + [0]
    return Counter({epochs: trials - more for (trials, epochs), more in zip(stages, following, strict=True)})


def by_bracket(history: History, sizes: list[int]) -> Iterator[list[int]]:
    """The last epochs of the trials of each bracket; trials join brackets in the order of their numbers."""
    epochs = [trial.epoch for trial in history.trials]
    for size in sizes:
        yield epochs[:size]
        epochs = epochs[size:]


def run(events: list[Event] | None = None, **study) -> list[Event]:
    given = {"scheduler": "hyperband", "max_epochs": 81, "budget": {"trials": CYCLE}, "default": False}
    how = {key: study.pop(key) for key in ("slots", "curve") if key in study}
    events = [] if events is None else events
    assert simulator(spec(**given | study), events, **how).run()
    return events


@pytest.mark.parametrize("slots", [1, 4, 50])
def test_brackets_are_those_of_the_papers_table(slots: int) -> None:
    history = History(run(slots=slots))
    for stages, epochs in zip(PAPER, by_bracket(history, [stages[0][0] for stages in PAPER]), strict=True):
        assert Counter(epochs) == +reached(stages)
    assert history.counts()["finished"] + history.counts()["stopped"] == CYCLE


def test_after_the_last_bracket_the_first_one_comes_again() -> None:
    history = History(run(budget={"trials": CYCLE + 81}, slots=4))
    assert Counter(trial.epoch for trial in history.trials[CYCLE:]) == +reached(PAPER[0])


def test_of_each_bracket_the_best_get_furthest() -> None:
    """Curves of the helpers do not cross, so the trials that went furthest are the best of their bracket."""
    history = History(run(slots=3))
    trials = list(history.trials)
    for stages in PAPER:
        bracket, trials = trials[: stages[0][0]], trials[stages[0][0] :]
        ranking = sorted(bracket, key=lambda trial: curve(trial.config, 1)["val_loss"])
        assert [trial.epoch for trial in ranking] == sorted((trial.epoch for trial in bracket), reverse=True)


@pytest.mark.parametrize(("epochs", "least", "factor"), [(100, 1, 3), (81, 3, 3), (8, 1, 2), (50, 2, 2.5), (64, 1, 4)])
def test_other_budgets_and_factors_follow_the_formulas(epochs: int, least: int, factor: float) -> None:
    scheduler = Hyperband(epochs, min_epochs=least, reduction_factor=factor)
    most = max(s for s in range(20) if epochs / factor**s >= least)
    assert scheduler.rungs == tuple(round(epochs / factor**s) for s in range(most, 0, -1))
    sizes = [math.ceil((most + 1) / (s + 1) * factor**s) for s in range(most, -1, -1)]
    play = Play(scheduler, 1, epochs, trials=sum(sizes), slots=3).run()
    last = {verdict.trial: verdict.epoch for verdict in play.verdicts}
    finishers = [sum(last.pop(trial) == epochs for trial in sorted(last)[:size]) for size in sizes]
    for size, s, finished in zip(sizes, range(most, -1, -1), finishers, strict=True):
        left = size
        for _ in range(s):
            left = max(1, int(left / factor))
        assert finished == left


def test_few_brackets_leave_out_those_that_train_longest() -> None:
    history = History(run(scheduler={"hyperband": {"brackets": 2}}, budget={"trials": 81 + 34 + 81}))
    for stages, epochs in zip([*PAPER[:2], PAPER[0]], by_bracket(history, [81, 34, 81]), strict=True):
        assert Counter(epochs) == +reached(stages)


@pytest.mark.parametrize("trials", [1, 2, 5, 20, 80, 82, 100])
@pytest.mark.parametrize("slots", [1, 4])
def test_a_bracket_that_the_budget_cuts_short_goes_on_with_the_trials_it_has(trials: int, slots: int) -> None:
    history = History(run(budget={"trials": trials}, slots=slots))
    assert history.counts()["paused"] == 0
    assert not any("when the study ended" in trial.why for trial in history.trials)
    first = Counter(epoch for epoch in next(by_bracket(history, [min(81, trials)])))
    left = min(81, trials)
    for epochs in (1, 3, 9, 27):
        more = max(1, left // 3)
        assert first[epochs] == left - more
        left = more
    assert first[81] == 1


def test_a_grid_that_ends_within_a_bracket_leaves_nobody_behind() -> None:
    history = History(run(searcher={"grid": {"points": 5}}, budget={"trials": 500}, slots=4))
    assert len(history.trials) == 20
    assert history.counts()["finished"] == 1 and history.counts()["stopped"] == 19


@pytest.mark.parametrize("slots", [1, 4])
def test_failed_trials_hold_nobody_up(slots: int) -> None:
    def breaks(config, epoch):
        if (config["layers"] == 1 and epoch == 2) or config["layers"] == 2:
            raise RuntimeError("layers do not fit")
        return curve(config, epoch)

    history = History(run(curve=breaks, slots=slots))
    counts = history.counts()
    assert counts["failed"] > 20 < counts["stopped"]
    assert counts["failed"] + counts["stopped"] + counts["finished"] == CYCLE
    first = history.trials[:81]
    at_3 = sum(trial.epoch >= 3 for trial in first) + sum(
        trial.failure is not None and trial.epoch == 1 for trial in first
    )
    assert at_3 == 27, "as many went on from epoch 1 as without failures"
    assert sum(trial.epoch == 81 for trial in first) == 1


def test_a_bracket_of_failures_alone_ends() -> None:
    def breaks(config, epoch):
        raise RuntimeError("always")

    assert History(run(curve=breaks, slots=4)).counts()["failed"] == CYCLE


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("given", [{"budget": {"trials": 24}}, {"searcher": {"grid": {"points": 5}}}])
def test_killed_anywhere_and_resumed_it_decides_the_same(slots: int, given: dict) -> None:
    """A core that is given any beginning of a journal goes on as the one that wrote it."""
    study = {"max_epochs": 9, "default": True, "budget": {"trials": 100}, **given}
    undisturbed = run(slots=slots, **study)
    whole = spec(**{"scheduler": "hyperband", **study})
    cuts = list(range(1, len(undisturbed)))
    if slots > 1:
        # All slots report at the same seconds here. Cut within one, those that had reported would get ahead of others.
        cuts = [cut for cut in cuts if undisturbed[cut]["time"] > undisturbed[cut - 1]["time"]]
    for cut in random.Random(slots).sample(cuts, 20):
        before, more = undisturbed[:cut], []
        assert simulator(whole, more, before=before, slots=slots, start=before[-1]["time"]).run()
        assert decisions(before + more) == decisions(undisturbed), cut


@pytest.mark.parametrize("slots", [2, 5])
def test_kills_with_many_slots_lose_and_double_nothing(slots: int) -> None:
    study = spec(scheduler="hyperband", max_epochs=27, budget={"trials": 60}, default=False)
    events: list[Event] = []
    simulator(study, events, slots=slots).run(reports=25)
    for reports in (20, 31, 17, None):
        more: list[Event] = []
        simulator(study, more, before=list(events), slots=slots, start=events[-1]["time"]).run(reports=reports)
        events += more
    history = History(events)
    seen = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert max(seen.values()) == 1
    # R = 27: 27 trials, then 12, 6 and 4, and 11 of the next bracket of 27.
    expected = Counter({1: 18, 3: 6, 9: 2, 27: 1}) + Counter({3: 8, 9: 3, 27: 1}) + Counter({9: 4, 27: 2})
    expected += Counter({27: 4}) + Counter({1: 8, 3: 2, 27: 1})
    assert Counter(trial.epoch for trial in history.trials) == expected


def test_the_default_configuration_is_in_no_bracket() -> None:
    history = History(run(default=True, budget={"trials": 82}, slots=2))
    assert history.trials[0].is_default and history.trials[0].epoch == 81
    assert Counter(trial.epoch for trial in history.trials[1:]) == +reached(PAPER[0])


def test_the_words_say_bracket_stage_and_place() -> None:
    history = History(run(budget={"trials": 81 + 34}))
    given_up = {trial.why for trial in history.trials[81:] if trial.epoch == 9}
    assert "hyperband bracket 2, stage of epoch 9: 4th of 11, the best 3 go on" in given_up
    waiting = history.trials[0].decisions[1].why
    assert waiting.startswith("hyperband bracket 1, stage of epoch 1: ")


def test_a_trial_needs_the_last_place_that_goes_on() -> None:
    scheduler = Hyperband(9, brackets=1)
    for trial in range(9):
        scheduler.on_start(trial, {})
    for trial in range(3):
        assert scheduler.need(8, 0) is None
        scheduler.on_report(trial, 1, 0.1 * (3 - trial))
    need = scheduler.need(8, 0)
    assert need is not None and (need.rung, need.loss) == (1, 0.1 * 3)
    scheduler.on_report(3, 1, 0.15)
    need = scheduler.need(8, 0)
    assert need is not None and need.loss == 0.2, "0.1, 0.15 and 0.2 would go on as things stand"
    assert scheduler.need(99, 0) is None


def test_in_the_last_stage_a_trial_needs_the_best_loss() -> None:
    scheduler = Hyperband(9, min_epochs=8)
    scheduler.on_start(0, {})
    assert scheduler.need(0, 1) is None
    scheduler.on_report(0, 9, 0.3)
    scheduler.on_end(0)
    scheduler.on_start(1, {})
    assert scheduler.need(1, 1) is None, "a bracket of one trial compares it with none"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_epochs": 9}, "scheduler.hyperband.min_epochs is 9; valid: 1 to 8 (max_epochs is 9)"),
        ({"brackets": 4}, "scheduler.hyperband.brackets is 4; valid: 1 to 3 (stages may end at the epochs 1, 3, 9)"),
    ],
)
def test_impossible_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(UserError) as error:
        Hyperband(9, **options)
    assert str(error.value) == words


def test_bohb_is_hyperband_with_its_searcher() -> None:
    study = {"scheduler": "bohb", "searcher": "bohb", "max_epochs": 9, "budget": {"trials": 34}}
    history = History(undisturbed := run(slots=2, **study))
    # R = 9: 9 trials, then 5 and 3, twice.
    assert Counter(trial.epoch for trial in history.trials) == Counter({1: 12, 3: 12, 9: 10})
    assert {trial.source for trial in history.trials} == {"bohb"}
    assert any(trial.why.startswith("bohb bracket 1, stage of epoch 1: ") for trial in history.trials)
    before, more = undisturbed[:120], []
    assert simulator(spec(default=False, **study), more, before=before, slots=2, start=before[-1]["time"]).run()
    assert len(History(before + more).trials) == 34
