"""Fills in a page: one HTML file with plotly.js and all charts inside, that needs no network."""

from __future__ import annotations

from typing import Any

from raise_hpo.report.words import energy, number, percent


def fill_in(template: str, **content: Any) -> str:
    """The page as HTML.

    Args:
        template: A file of this folder that extends ``page.html``.
        content: What it names, ``figures`` by the ids of their places among them.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("raise_hpo.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "percent": percent, "energy": energy}
    return environment.get_template(template).render(**content, plotlyjs=get_plotlyjs())
