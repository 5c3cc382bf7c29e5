from __future__ import annotations

import json
import math
import re
from html import unescape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.report.html import write_report
from raise_hpo.yaml_source import parse_yaml
from tests.report.studies import DEFAULT, curve, go_on, make_study, study

ALL_CHARTS = {"curves", "by-time", "by-epochs", "importance", "parallel", "timeline"}


def charts(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def checked(figure: Any) -> go.Figure:
    """The chart as plotly knows it: an unknown property or a wrong value raises."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return "#123456" if isinstance(value, str) and value.startswith("var(--") else value

    return go.Figure(plain(figure))


def text_of(page: str) -> str:
    """What stands on the page, without its scripts and styles."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture(scope="module")
def page(finished: StudyFolder) -> str:
    return write_report(finished).read_text()


def test_every_chart_is_there_with_title_axes_and_valid_properties(page: str) -> None:
    found = charts(page)
    assert set(found) == ALL_CHARTS
    for name, figure in found.items():
        assert re.search(rf'<h3>[^<]+</h3>\s*<figcaption>[^<]+</figcaption>\s*<div class="chart" id="{name}"', page), (
            name
        )
        layout = checked(figure).layout
        if name != "parallel":
            assert layout.xaxis.title.text, name


def test_the_page_asks_for_nothing_from_a_network(page: str) -> None:
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"""<[a-z]+[^>]*\s(src|href)\s*=\s*(?!["']?data:)""", markup)
    assert not re.search(r"url\(|@import", markup)
    assert "default-src 'none'" in page
    assert page.count("plotly.js v") == 1


def test_gain_and_trials_are_told(page: str, finished: StudyFolder) -> None:
    text, best = text_of(page), finished.history().best()
    assert best is not None
    assert re.search(r"\d+ % better than the default configuration", text)
    assert f"val_loss {best.value:.4g} at epoch 9, reached by trial {best.number}" in text
    assert len(re.findall(r'<td class="n" data-value="\d+">\d+</td>', page)) == 18


def test_the_best_configuration_can_be_pasted_back(page: str, finished: StudyFolder) -> None:
    found = re.search(r'<pre id="fragment">(.*?)</pre>', page, re.DOTALL)
    best = finished.history().best()
    assert found and best
    fragment = parse_yaml(unescape(found[1]), "fragment").data
    assert fragment == {"config": best.config}
    assert study(**fragment, search_space={"other": "uniform(0, 1)"}).config["lr"] == best.config["lr"]


def test_fixed_settings_are_part_of_the_fragment(root: Path) -> None:
    folder = make_study(root / "fixed", reports=12, config={"batch_size": 32, "opt": {"beta": 0.9}})
    page = write_report(folder).read_text()
    found = re.search(r'<pre id="fragment">(.*?)</pre>', page, re.DOTALL)
    assert found
    config = parse_yaml(unescape(found[1]), "fragment").data["config"]
    assert (config["batch_size"], config["opt.beta"]) == (32, 0.9)
    assert "lr" in config


def test_failures_are_told_by_kind_with_their_causes(page: str, finished: StudyFolder) -> None:
    text = text_of(page)
    for trial in finished.history().trials:
        if trial.failure:
            assert trial.failure[1] in text and f"logs/trial-{trial.number:04d}.log" in text
    assert "the objective became NaN or infinite" in text


def test_learning_curves_hold_every_report_and_mark_rungs(page: str, finished: StudyFolder) -> None:
    history, figure = finished.history(), charts(page)["curves"]
    points = sum(x is not None for trace in figure["data"] for x in trace["x"])
    assert points == sum(len(trial.values) for trial in history.trials)
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [1, 3]
    told = " ".join(text for trace in figure["data"] for text in trace["text"])
    assert "rung of epoch 3" in told and "pause" in told


def test_the_timeline_holds_every_stay_and_leaves_the_idle_days_out(taken_up: StudyFolder) -> None:
    history = taken_up.history()
    figure = charts(write_report(taken_up).read_text())["timeline"]
    bars = [trace for trace in figure["data"] if trace["name"] != "building, loading"]
    assert sum(len(trace["x"]) for trace in bars) == sum(len(trial.stays) for trial in history.trials)
    ends = [base + x for trace in figure["data"] for base, x in zip(trace["base"], trace["x"], strict=True)]
    assert max(ends) * 60 == pytest.approx(history.seconds, rel=1e-3)
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["resumed"]
    rows = figure["layout"]["yaxis"]["categoryarray"]
    assert rows == ["virtual · slot 0", "virtual · slot 1"]


def test_inactive_hyperparameters_leave_a_gap_in_parallel_coordinates(page: str, finished: StudyFolder) -> None:
    lines = charts(page)["parallel"]["data"]
    gaps = sum(y is None for line in lines for y in line["y"])
    scored = [trial for trial in finished.history().trials if trial.values and trial.state != "failed"]
    assert gaps == sum("gnn.bin_size" not in trial.config for trial in scored) > 0
    assert all(y is None or 0 <= y <= 1 for line in lines for y in line["y"])


def test_a_wide_range_of_losses_gets_a_logarithmic_axis(root: Path) -> None:
    def steep(config: dict[str, Any], epoch: int) -> dict[str, float]:
        return {"val_loss": 100.0 * math.exp(-epoch) * config["lr"]}

    figure = charts(write_report(make_study(root / "steep", curve=steep)).read_text())["curves"]
    assert figure["layout"]["yaxis"]["type"] == "log" and "log" in figure["layout"]["yaxis"]["title"]["text"]


def test_an_objective_to_maximize(root: Path) -> None:
    def accuracy(config: dict[str, Any], epoch: int) -> dict[str, float]:
        return {"accuracy": 1 - curve(config, epoch)["val_loss"], "seconds": 1.0}

    folder = make_study(root / "max", curve=accuracy, objective={"metric": "accuracy", "mode": "max"})
    text, history = text_of(write_report(folder).read_text()), folder.history()
    best, default = history.best(), history.default()
    assert best and default and best.value is not None and default.value is not None
    assert best.value > default.value
    assert "% better than the default" in text and "larger is better" in text


def nothing(config: Any, epoch: int) -> dict[str, float]:
    raise RuntimeError("<script>alert('x')</script> & {{ 7 * 7 }}")


@pytest.mark.parametrize(
    ("name", "changes", "there", "said"),
    [
        ("all failed", {"curve": nothing}, {"timeline"}, "No trial has reported a value"),
        ("one trial", {"budget": {"trials": 1}}, {"curves", "by-time", "by-epochs", "timeline"}, "by the default"),
        ("no default", {"default": None, "reports": 20}, ALL_CHARTS - {"importance"}, "did not run the default"),
        ("first report", {"reports": 1}, {"curves", "by-time", "by-epochs", "timeline"}, "Best val_loss"),
        ("nothing yet", {"reports": 0}, {"timeline"}, "No trial has reported a value"),
        ("no rungs", {"scheduler": "none", "reports": 40}, ALL_CHARTS - {"importance"}, "No importance"),
    ],
)
def test_odd_studies(root: Path, name: str, changes: dict[str, Any], there: set[str], said: str) -> None:
    page = write_report(make_study(root / name, **changes)).read_text()
    found = charts(page)
    assert set(found) == there
    assert said in text_of(page)
    for figure in found.values():
        checked(figure)


def test_what_others_wrote_stays_text(root: Path) -> None:
    page = write_report(make_study(root / "hostile", curve=nothing, budget={"trials": 2})).read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page and "{{ 7 * 7 }}" in page


def test_other_metrics_may_be_nan(root: Path) -> None:
    def partly(config: dict[str, Any], epoch: int) -> dict[str, float]:
        return {"val_loss": curve(config, epoch)["val_loss"], "efficiency": math.nan, "fakes": math.inf}

    checked(charts(write_report(make_study(root / "partly", curve=partly)).read_text())["curves"])


def test_a_resume_can_come_from_another_default(root: Path) -> None:
    folder = make_study(root / "twice", reports=7, default=DEFAULT)
    write_report(folder)
    go_on(folder)
    assert "resumed" in json.dumps(charts(write_report(folder).read_text())["by-time"])


def test_a_journal_without_events_is_refused_in_a_sentence(root: Path) -> None:
    path = root / "void"
    path.mkdir()
    (path / "journal.jsonl").touch()
    with pytest.raises(UserError, match=r"void has not begun"):
        write_report(StudyFolder(path))
