"""Repeating the best configurations: what is run, and what is concluded from it."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from raise_hpo.cli import app
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config, History
from raise_hpo.journal import Event, Journal
from raise_hpo.repeat import repeat_study, repeats, repetitions, verdict
from raise_hpo.report.facts import ranking
from raise_hpo.report.repeat import repeat_words, save_repeat
from tests.helpers import DEFAULT, simulator, spec

Curve = Callable[[Config, int], Mapping[str, float]]


def plain(words: object) -> str:
    """What is printed, on a wide terminal."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(words)
    return console.export_text()


def play(study, curve: Curve, slots: int = 1) -> list[Event]:
    events: list[Event] = []
    simulator(study, events, curve=curve, slots=slots, default=None if not study.default else DEFAULT).run()
    return events


def floor(config: Config) -> float:
    return (math.log10(config["lr"]) + 2.5) ** 2 + 0.1 * config["layers"]


def noisy(spread: float, seed: int = 1) -> Curve:
    """The same loss for a configuration each time, but for noise of a given size at the end."""
    rng = random.Random(seed)
    return lambda config, epoch: {"val_loss": floor(config) + 1 / epoch + rng.gauss(0, spread), "seconds": 1.0}


@pytest.fixture(scope="module")
def searched() -> History:
    return History(play(spec(budget={"trials": 30}), noisy(0.0)))


def repeated(searched: History, spread: float, seeds: int = 10, top: int = 3) -> History:
    return History(play(repeat_study(searched, DEFAULT, top, seeds), noisy(spread)))


def test_the_best_configurations_and_the_default_are_trained_so_often_to_the_end(searched: History) -> None:
    history = repeated(searched, 0.01, seeds=4)
    best = [trial.config for trial in ranking(searched) if not trial.is_default][:3]
    assert repeats(history) and not repeats(searched)
    assert [trial.config for trial in history.trials] == [*best, DEFAULT] * 4
    assert all(trial.epoch == searched.max_epochs and trial.state == "finished" for trial in history.trials)
    assert history.study["name"] == searched.study["name"] + "-repeat"


def test_one_that_is_broken_off_goes_on_where_it_was(searched: History) -> None:
    study = repeat_study(searched, DEFAULT, 2, 3)
    events = play(study, noisy(0.0))
    for cut in (5, 30, len(events) - 3):
        after: list[Event] = []
        simulator(study, after, before=events[:cut], curve=noisy(0.0), default=None).run()
        configurations = [event["config"] for event in [*events[:cut], *after] if event["event"] == "suggested"]
        assert configurations == [event["config"] for event in events if event["event"] == "suggested"]


def test_means_spreads_and_tests_are_those_of_scipy(searched: History) -> None:
    history = repeated(searched, 0.05)
    found = repetitions(history)
    winner = found[0]
    assert [group.mean for group in found] == sorted(group.mean for group in found)
    for group in found:
        values = [trial.values[9] for trial in history.trials if trial.config == group.config]
        assert group.values == tuple(values) and len(values) == 10
        assert group.mean == pytest.approx(np.mean(values)) and group.spread == pytest.approx(np.std(values, ddof=1))
    assert winner.distance is None
    for group in found[1:]:
        test = stats.ttest_ind(group.values, winner.values, equal_var=False)
        low, high = test.confidence_interval(0.95)
        assert group.distance == pytest.approx((group.mean - winner.mean, low, high))
    assert sum(group.best for group in found) == pytest.approx(1)
    assert winner.best == max(group.best for group in found)


def test_without_noise_the_winner_is_certain(searched: History) -> None:
    found = repetitions(repeated(searched, 1e-9))
    assert all(group.behind for group in found[1:]) and found[0].best == 1.0
    assert "is the best, beyond the spread of 10 trainings" in verdict(found)


def test_a_winner_that_may_be_luck_is_warned_of(searched: History) -> None:
    found = repetitions(repeated(searched, 0.5, top=5))
    close = [group.label for group in found[1:] if not group.behind]
    assert close and "cannot be told from" in verdict(found)
    assert all(label in verdict(found) for label in close)


def test_of_equal_configurations_one_is_said_to_be_better_in_one_case_of_twenty(searched: History) -> None:
    """All comparisons of a study considered; the winner is chosen from the same trainings, which makes it harder."""

    def curve(rng: random.Random) -> Curve:
        return lambda config, epoch: {"val_loss": rng.gauss(0, 1), "seconds": 1.0}

    study = repeat_study(searched, None, 2, 10)
    wrong = 0
    for seed in range(200):
        history = History(play(study.model_copy(update={"max_epochs": 1}), curve(random.Random(seed))))
        wrong += any(group.behind for group in repetitions(history))
    assert stats.binomtest(wrong, 200, 0.05).pvalue > 0.001


def test_larger_can_be_better(searched: History) -> None:
    def accuracy(config: Config, epoch: int) -> Mapping[str, float]:
        return {"val_loss": -floor(config), "seconds": 1.0}

    study = repeat_study(searched, DEFAULT, 2, 2).model_copy(
        update={"objective": spec(objective={"metric": "val_loss", "mode": "max"}).objective}
    )
    found = repetitions(History(play(study, accuracy)))
    assert found[0].mean == max(group.mean for group in found)


def test_failed_trainings_are_counted_and_left_out(searched: History) -> None:
    calls = {"count": 0}

    def failing(config: Config, epoch: int) -> Mapping[str, float]:
        calls["count"] += epoch == 1
        value = math.nan if calls["count"] % 5 == 0 else floor(config)
        return {"val_loss": value, "seconds": 1.0}

    found = repetitions(History(play(repeat_study(searched, DEFAULT, 3, 5), failing)))
    assert sum(group.failed for group in found) == 4
    assert sum(len(group.values) for group in found) == 16


def test_the_page_and_the_table_tell_the_same(searched: History, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    events = play(repeat_study(searched, DEFAULT, 3, 4), noisy(0.3))
    with Journal(folder.journal) as journal:
        journal.append(events)
    history = folder.history()
    page = save_repeat(folder, history).read_text()
    told = json.loads((tmp_path / "repeat.json").read_text())
    words = plain(repeat_words(history))
    assert told["verdict"].partition(";")[0][1:] in page
    for row in told["configurations"]:
        assert row["label"] in words and row["label"] in page
        assert f"{row['mean']:.4g}"[:5] in words
    assert told["configurations"][0]["behind_the_winner"] is None
    assert page.count('class="chart"') == 2


def test_the_command_shows_a_study_that_repeats_already(searched: History, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "again")
    folder.path.mkdir()
    with Journal(folder.journal) as journal:
        journal.append(play(repeat_study(searched, DEFAULT, 2, 3), noisy(0.1)))
    shown = CliRunner().invoke(app, ["repeat", str(folder.path)])
    assert shown.exit_code == 0 and "P(best)" in shown.output and (folder.path / "repeat.html").exists()
    told = CliRunner().invoke(app, ["repeat", str(folder.path), "--json"])
    assert json.loads(told.output) == json.loads((folder.path / "repeat.json").read_text())


def test_what_cannot_be_repeated_is_told(searched: History) -> None:
    with pytest.raises(UserError, match="repeats nothing; make one that does by 'raise-hpo repeat"):
        repetitions(searched)
    begun = [event for event in play(spec(), noisy(0.0)) if event["event"] in ("study", "suggested")][:3]
    with pytest.raises(UserError, match="no trial with a value whose configuration could be repeated"):
        repeat_study(History(begun), DEFAULT, 3, 2)
    study = repeat_study(searched, DEFAULT, 1, 1)
    early = [event for event in play(study, noisy(0.0)) if event["event"] in ("study", "suggested")][:2]
    with pytest.raises(UserError, match=r"no training of study .* has come to its end yet"):
        repetitions(History(early))


def test_single_trainings_decide_nothing(searched: History) -> None:
    found = repetitions(repeated(searched, 0.01, seeds=1))
    assert "but of single trainings" in verdict(found) and not any(group.behind for group in found)
