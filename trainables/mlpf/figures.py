"""Plots of a trained MLPF: what particles are taken for, which are found at what pT, and how well momenta are met."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from .data import Events
from .metrics import PARTICLES, confusion, event_sums
from .net import Prediction
from .schema import CHARGED_HADRON, CLASS_NAMES, NEUTRAL_HADRON

PT_EDGES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Edges of the bins of pT in GeV; what is beyond them counts in the outermost bins."""
MOST_RESPONSE, RESPONSE_BINS = 2.0, 80
"""The response's bins go from 0 to the first number; what is beyond counts in the last one."""

_COLOURS = dict(zip(PARTICLES, ("#4477aa", "#228833", "#ccbb44", "#ee6677", "#aa3377"), strict=True))


def figures(prediction: Prediction, events: Events) -> dict[str, go.Figure]:
    """Return the plots by title.

    Args:
        prediction: Of the network, for the elements of some events.
        events: Those events.
    """
    prediction = Prediction(*(part.float().cpu() for part in prediction))
    y, sizes = events.y.cpu(), events.sizes.cpu()
    true, found = y[:, 0].long(), prediction.logits.argmax(1)
    pt, true_pt, right = prediction.momentum[:, 0].exp(), y[:, 2].contiguous(), true == found
    sum_pt, true_sum, met, true_met = event_sums(prediction, y, sizes).unbind(1)
    return {
        "Confusion matrix": confusion_matrix(confusion(prediction, y)),
        "Efficiency by pT": share_by_pt(right, true, true_pt, ("true pT [GeV]", "efficiency")),
        "Fake rate by pT": share_by_pt(~right, found, pt, ("reconstructed pT [GeV]", "fake rate")),
        "Response of hadrons": response(pt, true_pt, torch.where(right, true, -1)),
        "Sum of pT": against_truth(sum_pt, true_sum, "sum of pT [GeV]"),
        "Missing pT": against_truth(met, true_met, "missing pT [GeV]"),
    }


def confusion_matrix(counts: Tensor) -> go.Figure:
    """The share of each true class's elements (rows) that is taken for each class, from `metrics.confusion`."""
    total = counts.sum(1)
    heatmap = go.Heatmap(
        x=list(CLASS_NAMES),
        y=[f"{name} ({number:.0f})" for name, number in zip(CLASS_NAMES, total.tolist(), strict=True)],
        z=[_numbers(row) for row in counts / total[:, None].clamp(min=1)],
        text=counts.long().tolist(),
        texttemplate="%{text}",
        zmin=0,
        zmax=1,
        colorscale="Blues",
        colorbar={"title": "share of row"},
    )
    layout = {"xaxis_title": "reconstructed", "yaxis_title": "true (elements)", "yaxis_autorange": "reversed"}
    return go.Figure(heatmap, layout=layout)


def share_by_pt(chosen: Tensor, classes: Tensor, pt: Tensor, titles: tuple[str, str]) -> go.Figure:
    """The share of each class's elements that is chosen, by pT, with binomial standard deviations.

    Args:
        chosen: ``(N,)``, whether an element counts.
        classes: ``(N,)``; a class that has no element is left out.
        pt: ``(N,)`` in GeV.
        titles: Of the two axes.
    """
    edges = torch.tensor(PT_EDGES)
    place, bins = torch.bucketize(pt, edges[1:-1], right=True), len(PT_EDGES) - 1
    middles = _numbers((edges[1:] * edges[:-1]).sqrt())
    figure = go.Figure(layout={"xaxis_title": titles[0], "yaxis_title": titles[1], "yaxis_range": [0, 1.05]})
    for number in (number for number in PARTICLES if (classes == number).any()):
        own = classes == number
        total = torch.bincount(place[own], minlength=bins)
        share = torch.bincount(place[own & chosen], minlength=bins) / total
        figure.add_scatter(
            x=middles,
            y=_numbers(share),
            error_y={"array": _numbers((share * (1 - share) / total).sqrt())},
            customdata=total.tolist(),
            hovertemplate="%{y:.3f} of %{customdata}",
            name=CLASS_NAMES[number],
            mode="lines+markers",
            line={"color": _COLOURS[number]},
        )
    return figure.update_xaxes(type="log")


def response(pt: Tensor, true_pt: Tensor, classes: Tensor) -> go.Figure:
    """Histograms of reconstructed over true pT of the hadrons that are found as what they are.

    Args:
        pt: ``(N,)``, reconstructed, in GeV.
        true_pt: ``(N,)``; elements without true pT are left out.
        classes: ``(N,)``, those of elements whose class is found, and no class elsewhere.
    """
    edges = torch.linspace(0, MOST_RESPONSE, RESPONSE_BINS + 1)
    middles = _numbers(0.5 * (edges[1:] + edges[:-1]))
    figure = go.Figure(layout={"xaxis_title": "reconstructed / true pT", "yaxis_title": "share of particles"})
    for number in (CHARGED_HADRON, NEUTRAL_HADRON):
        own = (classes == number) & (true_pt > 0)
        if own.any():
            ratio = pt[own] / true_pt[own]
            counts = torch.bincount(torch.bucketize(ratio, edges[1:-1], right=True), minlength=RESPONSE_BINS)
            name = f"{CLASS_NAMES[number]}, {_spread(ratio)}"
            line = {"shape": "hvh", "color": _COLOURS[number]}
            figure.add_scatter(x=middles, y=_numbers(counts / len(ratio)), name=name, mode="lines", line=line)
    return figure


def _spread(ratio: Tensor) -> str:
    """Median and half the width that holds 68 % of some numbers, as text."""
    low, middle, high = np.quantile(ratio.numpy(), (0.16, 0.5, 0.84))
    return f"median {middle:.3f} ± {(high - low) / 2:.3f}"


def against_truth(found: Tensor, true: Tensor, title: str) -> go.Figure:
    """A point for each event, ``(events,)`` in GeV, beside the line on which both are equal."""
    figure = go.Figure(layout={"xaxis_title": f"true {title}", "yaxis_title": f"reconstructed {title}"})
    figure.add_scatter(x=_numbers(true), y=_numbers(found), mode="markers", name="events", marker={"size": 5})
    most = float(true.max())
    line = {"color": "#777777", "dash": "dot"}
    return figure.add_scatter(x=[0, round(most, 4)], y=[0, round(most, 4)], mode="lines", line=line, name="equal")


def _numbers(values: Tensor) -> list[float | None]:
    """Numbers as JSON has them: nothing where there is none."""
    return [round(value, 4) if abs(value) < torch.inf else None for value in values.tolist()]
