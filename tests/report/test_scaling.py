"""The page and the tables of measured scaling."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raise_hpo.errors import UserError
from raise_hpo.report.scaling import charts, headline, render, save_scaling, scaling_words
from tests.report.test_html import charts as charts_in
from tests.report.test_html import checked, text_of


def worker(mode: str, workers: int, seconds: float, speed_up: float, ideal: float, **more: Any) -> dict[str, Any]:
    return {
        "mode": mode, "workers": workers, "nodes": 1, "batch": 32, "seconds": seconds, "spread": 0.25,
        "samples_per_second": 100.0 * speed_up, "speed_up": speed_up, "ideal": ideal, "efficiency": speed_up / ideal,
        "epochs": [seconds], **more,
    }  # fmt: skip


def slot(slots: int, how: str, seconds: float, speed_up: float, ideal: float) -> dict[str, Any]:
    return {
        "slots": slots, "how": how, "study": "toy-slots-1", "seconds": seconds, "epochs": 60, "busy": 0.875,
        "best": 0.4321, "epochs_per_hour": 216000 / seconds, "speed_up": speed_up, "ideal": ideal,
        "efficiency": speed_up / ideal,
    }  # fmt: skip


def document(**changes: Any) -> dict[str, Any]:
    return {
        "study": "toy", "trainable": "toys:Toy", "epochs": 3,
        "machine": {"host": "here", "nodes": 1, "cpus": 4.0, "gpus": 0.0, "load": 0.1},
        "worker": {"cpus": 1.0, "gpus": 0.0, "precision": "fp32"},
        "workers": [
            worker("weak", 1, 5.0, 1.0, 1.0), worker("weak", 4, 6.25, 3.2, 4.0),
            worker("strong", 1, 12.0, 1.0, 1.0), worker("strong", 4, 4.0, 3.0, 4.0, batch=8),
        ],
        "slots": [slot(1, "run", 7200.0, 1.0, 1.0), slot(16, "simulated", 600.0, 12.0, 16.0)],
        "failures": [{"mode": "weak", "workers": 8, "kind": "oom", "cause": "no <memory> left"}],
        "notes": ["Others were using this machine."],
        **changes,
    }  # fmt: skip


def test_the_page_draws_speed_up_efficiency_time_and_throughput() -> None:
    page = render(document())
    drawn = charts_in(page)
    kinds = ("speed-up", "efficiency", "seconds")
    assert set(drawn) == {*(f"{of}-{kind}" for of in ("workers", "slots") for kind in kinds)} | {
        "workers-samples", "slots-epochs",
    }  # fmt: skip
    for name, figure in drawn.items():
        layout = checked(figure).layout
        assert layout.xaxis.title.text == name.split("-")[0] and layout.yaxis.title.text
        assert f'<div class="chart" id="{name}"' in page
    lines = {line["name"]: (line["x"], line["y"]) for line in drawn["workers-speed-up"]["data"]}
    assert lines == {"ideal": ([1, 4], [1.0, 4.0]), "weak": ([1, 4], [1.0, 3.2]), "strong": ([1, 4], [1.0, 3.0])}
    lines = {line["name"]: line["y"] for line in drawn["workers-efficiency"]["data"]}
    assert lines == {"ideal": [1.0, 1.0], "weak": [1.0, 0.8], "strong": [1.0, 0.75]}
    weak = drawn["workers-seconds"]["data"][0]
    assert (weak["y"], weak["error_y"]["array"]) == ([5.0, 6.25], [0.25, 0.25])
    assert drawn["slots-seconds"]["data"][0]["y"] == [2.0]
    assert drawn["slots-seconds"]["layout"]["yaxis"]["title"]["text"] == "hours of the study"


def test_counts_far_apart_are_on_logarithmic_axes() -> None:
    drawn = charts(document())
    assert (
        drawn["slots-speed-up"]["layout"]["xaxis"] | {"type": "log", "tickvals": [1, 16]}
        == (drawn["slots-speed-up"]["layout"]["xaxis"])
    )
    assert drawn["slots-speed-up"]["layout"]["yaxis"]["type"] == "log"
    assert "type" not in drawn["workers-speed-up"]["layout"]["xaxis"]


def test_the_page_says_what_was_measured_and_what_failed() -> None:
    text = text_of(render(document()))
    assert "3.00 times as fast on 4 workers" in text
    assert "An epoch of the same training takes 4 s instead of 12 s: efficiency 75 %." in text
    assert "8 workers, weak: oom: no <memory> left." in text
    assert "Others were using this machine." in text
    assert "4 8 4 0.25 300 3.00 4 75 %" in text
    assert "16 simulated 10 min 00 s 60 360 88 % 0.4321 12.00 75 %" in text


def test_the_page_asks_for_nothing_from_a_network() -> None:
    page = render(document())
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"""<[a-z]+[^>]*\s(src|href)\s*=\s*(?!["']?data:)""", markup)
    assert "default-src 'none'" in page and page.count("plotly.js v") == 1


def test_headlines_without_strong_scaling_or_without_a_comparison() -> None:
    every = document()
    weak = document(workers=every["workers"][:2])
    assert headline(weak) == (
        "3.20 times as fast on 4 workers", "An epoch takes 6.2 s instead of 5 s, and trains on 4 times the data: "
        "efficiency 80 %.",
    )  # fmt: skip
    slots = [slot(2, "run", 600.0, 1.0, 1.0), slot(4, "run", 400.0, 1.5, 2.0)]
    assert headline(document(workers=[], slots=slots))[0] == "1.50 times as fast on 4 slots as on 2"
    assert headline(document(workers=[], slots=slots[:1]))[0] == "Scaling"


def test_a_terminal_of_80_columns_cuts_no_figure() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(scaling_words(document(slots=[slot(128, "simulated", 6000.0, 117.25, 128.0)])))
    assert "…" not in captured.get()
    for figure in ("simulated", "1 h 40 min", "117.25", "92 %", "weak scaling: each worker", "oom: no <memory> left"):
        assert figure in captured.get()


def test_files_hold_every_row(tmp_path: Path) -> None:
    page = save_scaling(document(), tmp_path)
    assert page == tmp_path / "scaling.html" and "3.00 times" in page.read_text()
    assert json.loads((tmp_path / "scaling.json").read_text()) == document()
    with (tmp_path / "scaling.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [(row["kind"], row["count"], row["how"], row["speed_up"]) for row in found] == [
        ("weak", "1", "run", "1.0"), ("weak", "4", "run", "3.2"), ("strong", "1", "run", "1.0"),
        ("strong", "4", "run", "3.0"), ("slots", "1", "run", "1.0"), ("slots", "16", "simulated", "12.0"),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"--out .* cannot be written"):
        save_scaling(document(), tmp_path / "scaling.json")
