"""What is shown and kept of a study with several objectives: its Pareto front, everywhere."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from raise_hpo.api import Study
from raise_hpo.checkpoints import drop_surplus, keep_best
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config
from raise_hpo.journal import read
from raise_hpo.report.front import front_words
from raise_hpo.report.html import write_report
from raise_hpo.report.live import PlainView, render
from raise_hpo.report.summary import closing_words, summary
from raise_hpo.report.words import with_unit
from raise_hpo.track.updates import Translator

from .studies import curve, make_study
from .test_html import ALL_CHARTS, charts, checked, text_of

LOSS, SIZE, SPEED = (
    {"metric": "val_loss", "mode": "min"}, {"metric": "parameters", "mode": "min"}, {"metric": "speed", "mode": "max"},
)  # fmt: skip


def with_size(config: Config, epoch: int) -> Mapping[str, float]:
    size = 100.0 * config["output_dim"] * config["num_node_messages"]
    return {**curve(config, epoch), "parameters": size, "speed": 1e6 / size}


@pytest.fixture(scope="module")
def folder(root: Path) -> StudyFolder:
    return make_study(root / "two aims", curve=with_size, objective=[LOSS, SIZE], budget={"trials": 30})


def said(thing: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(thing)
    return out.getvalue()


def test_the_report_has_a_chart_and_a_table_of_the_front(folder: StudyFolder) -> None:
    page, front = write_report(folder).read_text(), folder.history().front()
    found = charts(page)
    assert set(found) == ALL_CHARTS | {"front-1"}
    chart = checked(found["front-1"])
    assert chart.layout.xaxis.title.text.startswith("parameters")
    assert chart.layout.yaxis.title.text.startswith("val_loss")
    (stars,) = [trace for trace in chart.data if trace.name == "Pareto front"]
    assert set(zip(stars.y, stars.x, strict=True)) == {(trial.value, trial.metrics[9]["parameters"]) for trial in front}
    assert len(stars.x) == len(front) > 2
    drawn = sum(len(trace.x) for trace in chart.data if trace.mode == "markers")
    scored = [trial for trial in folder.history().trials if trial.values and trial.state != "failed"]
    assert drawn == len(scored)
    table = re.search(r'<table id="front">(.*?)</table>', page, re.DOTALL)
    assert table and re.findall(r'<tr><td class="n">(\d+)\b', table[1]) == [str(trial.number) for trial in front]
    assert f"{len(front)} of the trials that went furthest" in text_of(page)


def test_each_further_objective_gets_a_chart(root: Path) -> None:
    page = write_report(make_study(root / "three aims", curve=with_size, objective=[LOSS, SIZE, SPEED])).read_text()
    found = charts(page)
    assert {"front-1", "front-2"} <= set(found)
    for name in ("front-1", "front-2"):
        assert not [trace for trace in checked(found[name]).data if trace.mode == "lines"], (
            "a border needs two objectives"
        )
    assert "larger speed are better" in text_of(page)


@pytest.mark.parametrize("reports", [0, 1])
def test_studies_that_have_just_begun(root: Path, reports: int) -> None:
    page = write_report(
        make_study(root / f"begun {reports}", curve=with_size, objective=[LOSS, SIZE], reports=reports)
    ).read_text()
    assert ("front-1" in charts(page)) == bool(reports)


def test_the_summary_and_the_closing_words_tell_the_front(folder: StudyFolder) -> None:
    found, front = json.loads(json.dumps(summary(folder))), folder.history().front()
    assert found["objectives"] == [LOSS, SIZE]
    assert [member["trial"] for member in found["front"]] == [trial.number for trial in front]
    assert found["front"][0]["values"] == {
        "val_loss": front[0].value,
        "parameters": with_size(front[0].config, 9)["parameters"],
    }
    assert found["best"]["trial"] == front[0].number
    words = said(closing_words(found))
    for trial in front:
        assert f"parameters {trial.metrics[9]['parameters']:.0f} (trial {trial.number})" in words


def test_one_objective_is_told_as_ever(finished: StudyFolder) -> None:
    assert not {"front", "objectives"} & set(summary(finished))
    assert "front" not in said(closing_words(summary(finished)))


def test_the_live_table_counts_the_front_and_has_every_objective(folder: StudyFolder) -> None:
    history = folder.history()
    words = said(render(history, "x", 0.0, 40))
    assert f"{len(history.front())} trials on the Pareto front" in words
    assert re.search(r"epoch +val_loss +parameters +configuration", words)
    best = history.front()[0]
    assert re.search(rf"★ {best.number} +finished +9/9 +\S+ +{best.metrics[9]['parameters']:.0f} ", words)


def test_plain_lines_tell_every_objective(folder: StudyFolder) -> None:
    out = io.StringIO()
    with PlainView(folder.history, Console(file=out, width=200, soft_wrap=True), "two") as view:
        for event in read(folder.journal)[:13]:
            view.event(event)
    assert re.search(r"trial 0 epoch 1 val_loss \S+ parameters \d+ continue: ", out.getvalue())


def test_the_table_of_all_trials_has_every_objective(folder: StudyFolder) -> None:
    page = write_report(folder).read_text()
    rows = re.findall(r'<td class="n" data-value="(\d+)/?.*?</tr>', page.split('class="trials"')[-1], re.DOTALL)
    assert len(rows) == len(folder.history().trials)
    trial = folder.history().best()
    assert trial is not None
    both = rf'data-value="{trial.value}">.*?</td>\s+<td class="n" data-value="{trial.metrics[9]["parameters"]}">'
    assert re.search(both, page)


def test_an_axis_has_the_unit_of_what_is_measured() -> None:
    assert with_unit("inference_seconds") == "inference_seconds [s per sample]"
    assert with_unit("parameters") == "parameters"


@pytest.mark.parametrize(("members", "words"), [(1, "1 of the trials that went furthest is"), (3, "3 of the trials")])
def test_the_front_is_told_in_numbers_that_agree(members: int, words: str) -> None:
    assert front_words(members).startswith(words)


def test_the_front_from_python(folder: StudyFolder) -> None:
    study, front = Study(folder), folder.history().front()
    assert [trial.number for trial in study.front()] == [trial.number for trial in front]
    table = study.front_table()
    assert list(table.index) == [trial.number for trial in front]
    assert list(table["val_loss"]) == [trial.value for trial in front]
    assert list(table["lr"]) == [trial.config["lr"] for trial in front]


def test_the_front_is_kept_with_its_checkpoints(root: Path) -> None:
    folder = make_study(root / "kept", curve=with_size, objective=[LOSS, SIZE], budget={"trials": 30})
    history = folder.history()
    for trial in history.trials:
        if trial.checkpoint:
            (folder.path / trial.checkpoint[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / trial.checkpoint[1]).write_text(str(trial.number))
    drop_surplus(folder.path, history, keep=1)
    keep_best(folder, history)
    members = yaml.safe_load((folder.best / "front.yaml").read_text())
    assert [member["trial"] for member in members] == [trial.number for trial in history.front()]
    assert members[0]["config"] == history.front()[0].config
    for member in members:
        assert (folder.path / member["checkpoint"]).read_text() == str(member["trial"])
    left = {int(path.read_text()) for path in folder.checkpoints.glob("*/*")}
    assert left == {trial.number for trial in history.front()}


def test_mlflow_learns_who_is_on_the_front_however_events_are_cut(folder: StudyFolder) -> None:
    events = read(folder.journal)
    front = {trial.number for trial in folder.history().front()}
    for size in (1, 7, len(events)):
        translator, tags, told = Translator(), {}, ""
        for start in range(0, len(events), size):
            for update in translator.updates(events[start : start + size]):
                if "raise_hpo.pareto" in update.tags:
                    tags[update.trial] = update.tags["raise_hpo.pareto"]
                told = update.tags.get("raise_hpo.front", told)
        assert {trial for trial, value in tags.items() if value == "true"} == front
        assert told == ", ".join(str(trial.number) for trial in folder.history().front())
        assert "false" in tags.values()
