from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.report.html import write_report
from tests.browser.chromium import needs_browser, open_page, screenshot
from tests.report.studies import go_on, make_study

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("studies of Zoë") / "mlpf-3", reports=30)
    go_on(folder)
    return write_report(folder)


def test_the_report_draws_itself_without_network_or_complaint(report: Path, tmp_path: Path) -> None:
    page = open_page(report.as_uri(), tmp_path)
    assert page.console == []
    assert page.requests == []
    assert 'data-drawn="6"' in page.dom
    assert len(re.findall(r'<svg class="main-svg"', page.dom)) >= 6
    titles = re.findall(r'class="[xy]title"[^>]*>([^<]+)<', page.dom)
    assert {"epoch", "val_loss", "time at work (minutes)", "epochs trained, all trials together"} <= set(titles)


def test_a_request_and_a_complaint_would_be_seen(tmp_path: Path) -> None:
    curious = tmp_path / "curious.html"
    curious.write_text('<img src="http://127.0.0.1:9/seen.png"><script>console.error("seen")</script>')
    page = open_page(curious.as_uri(), tmp_path)
    assert page.requests == ["http://127.0.0.1:9/seen.png"]
    assert any("seen" in line for line in page.console)


def test_the_headings_sort_the_trials(report: Path, tmp_path: Path) -> None:
    click = '<script>document.querySelectorAll("#trials th button")[0].click()</script></body>'
    sorted_page = tmp_path / "sorted.html"
    sorted_page.write_text(report.read_text().replace("</body>", click))
    numbers = re.findall(r'<td class="n" data-value="(\d+)">\1</td>', open_page(sorted_page.as_uri(), tmp_path).dom)
    assert numbers == [str(number) for number in range(18)]


@pytest.mark.parametrize("name", ["hopeless", "single"])
def test_odd_studies_draw_without_complaint(name: str, tmp_path: Path) -> None:
    def broken(config: Any, epoch: int) -> dict[str, float]:
        raise RuntimeError("<b>no</b>")

    changes: dict[str, Any] = {"hopeless": {"curve": broken}, "single": {"budget": {"trials": 1}}}[name]
    page = open_page(write_report(make_study(tmp_path / name, **changes)).as_uri(), tmp_path)
    assert page.console == []
    assert "data-drawn=" in page.dom


def test_light_and_dark_scheme_differ(report: Path, tmp_path: Path) -> None:
    pictures = []
    for scheme in (0, 1):
        file = tmp_path / f"{scheme}.png"
        screenshot(report.as_uri(), file, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
        pictures.append(_brightness(file))
    dark, light = pictures
    assert dark < 80 < 200 < light


def _brightness(picture: Path) -> float:
    from PIL import Image, ImageStat

    with Image.open(picture) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])
