"""The figures that the trainable has drawn of the best model, for the report and for MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.report.figures import Figure
from raise_hpo.report.page import fill_in

_HEIGHT = 380
TEMPLATE = "drawn.html"


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Attributes:
        of: Trial and epoch, in words; empty if nothing was drawn.
        titles: The figures' titles, by the ids of their places in a page.
        figures: The figures by the same ids.
        failure: Why there are none although there should be; empty otherwise.
    """

    of: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    failure: str = ""


def drawn_of(folder: StudyFolder, history: History) -> Drawn:
    """The figures of the best model, unless they are of another trial or epoch."""
    if not folder.figures.is_file():
        return Drawn()
    told = json.loads(folder.figures.read_text())
    if (told["trial"], told["epoch"]) != folder.best_model(history):
        return Drawn()
    found: dict[str, Any] = told.get("figures", {})
    titles = {f"drawn-{place}": title for place, title in enumerate(found, 1)}
    figures = {f"drawn-{place}": _fitted(figure) for place, figure in enumerate(found.values(), 1)}
    return Drawn(f"trial {told['trial']} after epoch {told['epoch']}", titles, figures, told.get("failure", ""))


def _fitted(figure: Figure) -> Figure:
    """A figure without what the page says by itself: template and title."""
    layout = {key: value for key, value in figure["layout"].items() if key not in ("template", "title", "width")}
    return {"data": figure["data"], "layout": {"height": _HEIGHT, **layout}}


def write_page(folder: StudyFolder, history: History) -> None:
    """Write ``best/figures.html``, a page of the figures alone; without any figures there is none."""
    drawn = drawn_of(folder, history)
    if drawn.figures:
        page = fill_in(TEMPLATE, name=history.name, drawn=drawn, figures=drawn.figures)
        folder.figures_page.write_text(page, encoding="utf-8")
    else:
        folder.figures_page.unlink(missing_ok=True)
