"""The page of measured scaling, in a browser."""

from __future__ import annotations

from pathlib import Path

from raise_hpo.report.scaling import save_scaling
from tests.browser.chromium import needs_browser, open_page
from tests.report.test_scaling import document


@needs_browser
def test_all_charts_are_drawn_without_a_complaint_or_a_request(tmp_path: Path) -> None:
    address = save_scaling(document(), tmp_path).as_uri()
    page = open_page(address, tmp_path)
    assert page.console == []
    assert 'data-drawn="8"' in page.dom
    assert page.dom.count('class="main-svg"') >= 8
    assert [request for request in page.requests if request != address] == []
