"""What every view says of a trial that goes on from another one's weights."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from raise_hpo.folder import StudyFolder
from raise_hpo.history import Trial
from raise_hpo.journal import read
from raise_hpo.report.estimate import time_left
from raise_hpo.report.facts import ancestry
from raise_hpo.report.html import write_report
from raise_hpo.report.live import event_line, render
from raise_hpo.report.summary import closing_words, summary
from raise_hpo.track.updates import Translator

from .studies import curve, make_study


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return made(tmp_path_factory.mktemp("studies") / "population")


def made(path: Path, reports: int | None = None) -> StudyFolder:
    pbt = {"pbt": {"population": 4, "interval": 2}}
    return make_study(path, curve, default=None, slots=4, scheduler=pbt, searcher="random", reports=reports)


def heirs(folder: StudyFolder) -> list[Trial]:
    return [trial for trial in folder.history().trials if trial.parent]


def text(renderable: object, height: int = 60) -> str:
    console = Console(width=220, height=height, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_log_tells_whose_heir_a_trial_is_and_in_whose_place(population: StudyFolder) -> None:
    lines = [event_line(event) for event in read(population.journal) if "parent" in event]
    assert len(lines) == len(heirs(population)) > 0
    for line in lines:
        assert re.search(
            r"trial \d+ is an heir of trial \d+ after epoch \d+, in place of trial \d+; .* to .*: lr=", line
        )


def test_the_table_names_the_parent_and_counts_heirs_apart(population: StudyFolder) -> None:
    drawn = text(render(population.history(), "population", 0.0, 60))
    count = len(heirs(population))
    assert f"{4 + count} trials, {count} of them heirs" in drawn
    for heir in heirs(population):
        assert heir.parent is not None and f"heir of {heir.parent[0]}: lr=" in drawn


def test_the_summary_has_the_schedule_that_was_found(population: StudyFolder) -> None:
    found, history = summary(population), population.history()
    best = history.best()
    assert best is not None and best.parent is not None, "with this seed an heir is the best"
    schedule = found["best"]["schedule"]
    assert (schedule[0]["from_epoch"], schedule[-1]["trial"]) == (1, best.number)
    assert schedule[-1]["from_epoch"] == best.parent[1] + 1
    assert [step["trial"] for step in schedule] == [trial.number for _, trial in ancestry(history, best)]
    assert f"(trial {best.number}, heir of {best.parent[0]} after epoch {best.parent[1]}" in text(closing_words(found))


def test_the_report_names_the_parent(population: StudyFolder) -> None:
    write_report(population)
    heir = heirs(population)[0]
    assert heir.parent is not None
    assert f"heir of {heir.parent[0]} after epoch {heir.parent[1]}" in population.report.read_text()


def test_mlflow_has_the_parent_as_a_tag(population: StudyFolder) -> None:
    tags = {update.trial: update.tags for update in Translator().updates(read(population.journal))}
    for trial in population.history().trials:
        expected = None if trial.parent is None else str(trial.parent[0])
        assert tags[trial.number].get("raise_hpo.parent_trial") == expected


def test_time_left_is_what_the_population_has_to_train(tmp_path: Path) -> None:
    history = made(tmp_path / "broken_off", reports=20).history()
    estimate = time_left(history, history.sessions[-1][1])
    assert estimate is not None and "a population of 4 that trains to the end" in estimate.how
    left = made(tmp_path / "whole").history().epochs - history.epochs
    pace = estimate.seconds * 4 / left
    assert pace == pytest.approx(sum(_durations(history.trials)) / history.epochs, rel=0.25)


def _durations(trials: list[Trial]) -> list[float]:
    return [stay.ended - stay.began for trial in trials for stay in trial.stays]
