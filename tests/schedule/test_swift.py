"""Swift-Hyperband against a plain sequential program of its algorithm, and on curves that do and do not predict."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.predict.svr import SVRPredictor
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder

from ..helpers import SPACE, decisions, simulator, spec

SIZES = [27, 12, 6, 4]
"""Hyperband's brackets for R = 27 and eta = 3."""


def falling(config: Config, epoch: int) -> dict[str, float]:
    """A loss whose early values tell the later ones, with some noise and curves that cross."""
    noise = random.Random(f"{config} {epoch}").gauss(0, 0.01)
    floor = (math.log10(config["lr"]) + 2.5) ** 2
    return {"val_loss": floor + math.exp(-epoch / (2 + config["layers"])) + noise}


def unforeseeable(config: Config, epoch: int) -> dict[str, float]:
    """A loss that its earlier values say nothing about."""
    return {"val_loss": random.Random(f"{config} {epoch}").random()}


def run(scheduler: str | dict = "swift_hyperband", curve=falling, slots: int = 1, cycles: int = 2, **study) -> History:
    events: list[Event] = []
    given = {"max_epochs": 27, "budget": {"trials": cycles * sum(SIZES)}, "default": False} | study
    assert simulator(spec(scheduler=scheduler, **given), events, curve=curve, slots=slots).run()
    return History(events)


class Reference:
    """The algorithm for one slot: the epochs that each configuration is trained for, with the published defaults."""

    def __init__(self, configs: list[Config], known: float = 0.5, train: float = 0.5, least: int = 15) -> None:
        self.known, self.train, self.least = known, train, least
        self.encode = Encoder(SearchSpace.parse(SPACE)).encode
        self.configs = configs
        self.epochs = [0] * len(configs)
        self.tables: dict[int, list[int]] = {}
        self.models: dict[tuple[int, int], SVRPredictor] = {}
        self.judged = 0

    def loss(self, trial: int, epoch: int) -> float:
        return falling(self.configs[trial], epoch)["val_loss"]

    def seen(self, trials: list[int], epochs: int) -> tuple[np.ndarray, np.ndarray]:
        curves = [[self.loss(trial, epoch) for epoch in range(1, epochs + 1)] for trial in trials]
        return self.encode([self.configs[trial] for trial in trials]), np.array(curves)

    def bracket(self, trials: list[int], ends: list[int]) -> None:
        begin = 0
        for end in ends:
            places = 1 if end == 27 else len(trials) // 3
            there = self.round(trials, begin, end, places)
            trials = sorted(there, key=lambda trial: self.loss(trial, end))[:places]
            begin = end

    def round(self, trials: list[int], begin: int, end: int, places: int) -> list[int]:
        point = begin + math.ceil((end - begin) * self.known)
        table = self.tables.setdefault(end, [])
        full, halfway = [], []
        for trial in trials:
            if len(full) < self.train * places or len(table) < self.least:
                full.append(trial)
                table.append(trial)
            else:
                halfway.append(trial)
        chosen = halfway if point == end else self.choose(full, halfway, point, end, places)
        for trial in trials:
            self.epochs[trial] = end if trial in full or trial in chosen else point
        return full + chosen

    def choose(self, full: list[int], halfway: list[int], point: int, end: int, places: int) -> list[int]:
        if not halfway:
            return []
        self.judged += len(halfway)
        if (point, end) not in self.models:
            table = self.tables[end]
            finals = np.array([self.loss(trial, end) for trial in table])
            self.models[point, end] = SVRPredictor(1).fit(*self.seen(table, point), finals)
        predicted = self.models[point, end].expect(*self.seen(halfway, point))
        limit = np.quantile([self.loss(trial, end) for trial in full], 0.25)
        chosen = [trial for trial, loss in zip(halfway, predicted, strict=True) if loss < limit]
        if len(chosen) + len(full) < places:
            chosen = [halfway[place] for place in np.argsort(predicted)[: places - len(full)]]
        return chosen


@pytest.mark.parametrize("options", [{}, {"known": 0.3, "train": 1.0, "min_curves": 8}])
def test_it_follows_the_algorithm(options: dict) -> None:
    history = run({"swift_hyperband": options}, cycles=3)
    least, rest = options.get("min_curves", 15), {key: options[key] for key in options if key != "min_curves"}
    reference = Reference([trial.config for trial in history.trials], least=least, **rest)
    first = 0
    for _ in range(3):
        for size, ends in zip(SIZES, ([1, 3, 9, 27], [3, 9, 27], [9, 27], [27]), strict=True):
            reference.bracket(list(range(first, first + size)), ends)
            first += size
    assert [trial.epoch for trial in history.trials] == reference.epochs
    assert reference.judged > 20


@pytest.mark.parametrize("slots", [1, 4])
def test_where_early_values_tell_it_saves_epochs_and_finds_as_good(slots: int) -> None:
    few = {"min_curves": 8}
    swift, plain = run({"swift_hyperband": few}, slots=slots, cycles=4), run("hyperband", slots=slots, cycles=4)
    assert swift.epochs < 0.93 * plain.epochs
    best, best_of_all = swift.best(), plain.best()
    assert best is not None and best_of_all is not None
    assert best.epoch == 27 and best.value < best_of_all.value + 0.02
    stopped = [trial for trial in swift.trials if "predicted" in trial.why]
    assert stopped and all(trial.epoch not in (1, 3, 9) for trial in stopped)


def test_each_stage_goes_on_with_as_many_as_hyperbands() -> None:
    for curve in (falling, unforeseeable):
        for slots in (1, 4):
            swift = run({"swift_hyperband": {"min_curves": 5}}, curve=curve, slots=slots)
            plain = run("hyperband", curve=curve, slots=slots)
            for end in (1, 3, 9):
                went_on = [sum(trial.epoch > end for trial in history.trials) for history in (swift, plain)]
                assert went_on[0] == went_on[1]
            assert swift.counts()["finished"] >= 2 * len(SIZES), "a bracket starved"


@pytest.mark.parametrize("slots", [1, 5])
def test_failures_starve_no_bracket(slots: int) -> None:
    def breaks(config, epoch):
        if random.Random(f"{config} {epoch} breaks").random() < 0.1:
            raise RuntimeError("no luck")
        return falling(config, epoch)

    history = run({"swift_hyperband": {"min_curves": 4}}, curve=breaks, slots=slots, cycles=4)
    counts = history.counts()
    assert counts["paused"] == counts["waiting"] == 0
    assert counts["failed"] > 40 and counts["finished"] > 0
    assert any("predicted" in trial.why for trial in history.trials)


def test_without_curves_enough_it_is_hyperband() -> None:
    swift, plain = run({"swift_hyperband": {"min_curves": 500}}), run("hyperband")
    assert [trial.epoch for trial in swift.trials] == [trial.epoch for trial in plain.trials]
    assert swift.decisions == plain.decisions


def test_trials_wait_only_where_checkpoints_are_made() -> None:
    study = spec(scheduler="swift_hyperband", max_epochs=27)
    events: list[Event] = []
    core = simulator(study, events).core
    # Stages end at 1, 3, 9 and 27; from 0, 1, 3 and 9 on the points between are 2, 6, 18; 2 and 5 from 0; and 14.
    assert core.scheduler.rungs == (1, 2, 3, 5, 6, 9, 14, 18)
    history = run({"swift_hyperband": {"min_curves": 5}}, slots=3)
    paused = Counter(
        epoch for trial in history.trials for epoch, made in trial.decisions.items() if "waits" in made.why
    )
    assert set(paused) <= set(core.scheduler.rungs)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("trials", [49, 80])
def test_killed_anywhere_and_resumed_it_decides_the_same(slots: int, trials: int) -> None:
    study = spec(
        scheduler={"swift_hyperband": {"min_curves": 5}}, max_epochs=27, budget={"trials": trials}, default=False
    )
    undisturbed: list[Event] = []
    assert simulator(study, undisturbed, curve=falling, slots=slots).run()
    assert any("predicted" in str(event.get("why")) for event in undisturbed)
    cuts = list(range(1, len(undisturbed)))
    if slots > 1:
        cuts = [cut for cut in cuts if undisturbed[cut]["time"] > undisturbed[cut - 1]["time"]]
    for cut in random.Random(slots).sample(cuts, 8):
        before, more = undisturbed[:cut], []
        assert simulator(study, more, before, slots, falling, before[-1]["time"]).run()
        assert decisions(before + more) == decisions(undisturbed), cut
