"""Plots of a trained classifier: its confusion matrix, its efficiency by momentum, and some events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor
from torch.nn import functional

from .data import ImageDataset
from .metrics import confusion, efficiency_by_momentum, soft_confusion
from .particles import CLASS_NAMES

BINS = 6
"""Bins of momentum."""
DISPLAY = 64
"""Pixels of an event display in a direction, at most."""

Classify = Callable[[Tensor], Tensor]
"""From images to logits, both on the dataset's device."""


def figures(events: ImageDataset, classify: Classify, batch_size: int) -> dict[str, go.Figure]:
    """All plots, by title."""
    batches = torch.arange(len(events)).split(batch_size)
    logits = torch.cat([classify(events.__getitems__(batch.tolist()).images) for batch in batches]).cpu()
    right = logits.argmax(1) == events.labels
    plots = {"Confusion matrix": confusion_matrix(logits, events.labels)}
    if events.momenta.isfinite().any():
        plots["Efficiency by momentum"] = efficiency(right, events.labels, events.momenta)
    return plots | {"Events": displays(events, logits)}


def confusion_matrix(logits: Tensor, labels: Tensor) -> go.Figure:
    """Sums of probabilities by true and predicted class, and how often the highest one was right, as in the talk."""
    soft, hard = soft_confusion(logits, labels), confusion(logits, labels)
    true = soft.sum(1, keepdim=True).clamp(min=1)
    names = list(CLASS_NAMES)
    rows = [f"{name} ({int(hard[c, c])} right)" for c, name in enumerate(names)]
    heatmap = go.Heatmap(
        x=names,
        y=rows,
        z=(soft / true).round(decimals=4).tolist(),
        text=soft.round(decimals=2).tolist(),
        texttemplate="%{text:.2f}",
        zmin=0,
        zmax=1,
        colorscale="Blues",
        colorbar={"title": "share of row"},
    )
    layout = {"xaxis_title": "predicted (sum of probabilities)", "yaxis_title": "true (highest score was correct)"}
    return go.Figure(heatmap, layout={**layout, "yaxis_autorange": "reversed"})


def efficiency(right: Tensor, labels: Tensor, momenta: Tensor) -> go.Figure:
    """The share of each class that is recognised, by momentum, with binomial standard deviations."""
    known = momenta[momenta.isfinite()]
    edges = torch.linspace(float(known.min()), float(known.max()), BINS + 1)
    found, all_ = efficiency_by_momentum(right, labels, momenta, edges)
    share = found / all_
    deviation = (share * (1 - share) / all_).sqrt()
    middles = (0.5 * (edges[1:] + edges[:-1])).tolist()
    figure = go.Figure(
        layout={"xaxis_title": "momentum [MeV/c]", "yaxis_title": "efficiency", "yaxis_range": [0, 1.05]}
    )
    for c, name in enumerate(CLASS_NAMES):
        error = {"array": _numbers(deviation[c])}
        figure.add_scatter(x=middles, y=_numbers(share[c]), error_y=error, name=name, mode="lines+markers")
    return figure


def _numbers(values: Tensor) -> list[float | None]:
    """Numbers as JSON has them: nothing where there is none."""
    return [round(value, 4) if value == value else None for value in values.tolist()]


def displays(events: ImageDataset, logits: Tensor) -> go.Figure:
    """The collection plane of the first event of each class, with what it was taken for."""
    chosen = [int(found[0]) for c in range(len(CLASS_NAMES)) if len(found := (events.labels == c).nonzero().ravel())]
    figure = make_subplots(1, len(chosen), subplot_titles=[_title(events, logits, index) for index in chosen])
    for column, image in enumerate(events.__getitems__(chosen).images[:, -1], 1):
        options: dict[str, Any] = {"colorscale": "Viridis", "showscale": column == len(chosen)}
        shown = coarse(image).round(decimals=1).tolist()
        figure.add_heatmap(z=shown, zmin=0, zmax=6, row=1, col=column, colorbar={"title": "log(1 + ADC/20)"}, **options)
    figure.update_xaxes(title_text="wires", showticklabels=False)
    return figure.update_yaxes(title_text="ticks", showticklabels=False, col=1)


def _title(events: ImageDataset, logits: Tensor, index: int) -> str:
    probability, guess = logits[index].float().softmax(0).max(0)
    return f"{CLASS_NAMES[events.labels[index]]}: {CLASS_NAMES[guess]} {float(probability):.0%}"


def coarse(image: Tensor) -> Tensor:
    """The highest counts in at most `DISPLAY` by `DISPLAY` pieces of an image, logarithmic."""
    factor = -(-max(image.shape) // DISPLAY)
    highest = functional.max_pool2d(image[None].float(), factor, ceil_mode=True)[0]
    return torch.log1p(highest.clamp(min=0) / 20)
