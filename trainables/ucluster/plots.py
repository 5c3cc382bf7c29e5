"""Plots of a trained UCluster: the jet mass by cluster, and clusters and true labels in the latent space."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch import Tensor

from .metrics import contingency, matching
from .net import Output
from .schema import LABELS
from .settings import Settings

_BINS = 60
_LATENT_BINS = 40
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#d62728", "#17becf")
_GREY = "#7f7f7f"
_MOST_MASS = {"multiclass": 250.0, "anomaly": 8000.0}
_NAMES = {
    "multiclass": {number: {"w": "W", "z": "Z"}.get(name, name) for name, number in LABELS.items()},
    "anomaly": {0: "background", 1: "signal"},
}

Names = Mapping[int, str]
Groups = dict[str, NDArray[np.bool_]]


def figures(output: Output, rows: Mapping[str, Tensor], settings: Settings) -> dict[str, go.Figure]:
    """Return the plots by title.

    Args:
        output: Of the network, for some rows.
        rows: Those rows: ``label``, and ``jet_mass`` or ``dijet_mass``.
        settings: The configuration.
    """
    names = _NAMES[settings.task]
    clusters = output.distances.argmin(1)
    table = contingency(clusters.cpu(), rows["label"].cpu(), settings.n_clusters).numpy()
    by_cluster = _by_cluster(clusters.cpu().numpy(), matching(table), names)
    by_label = {name: rows["label"].cpu().numpy() == number for number, name in names.items()}
    by_label = {name: own for name, own in by_label.items() if own.any()}
    mass = rows["dijet_mass" if settings.task == "anomaly" else "jet_mass"].float().cpu().numpy()
    plots = {"Mass by cluster": _mass_figure(mass, by_cluster, by_label, _MOST_MASS[settings.task])}
    encoding = output.encoding.float().cpu().numpy()
    flat = encoding.shape[1] == 1
    plots["Latent space"] = (
        _line_figure(encoding[:, 0], by_label) if flat else _latent_figure(_plane(encoding), by_label)
    )
    return plots


def _by_cluster(clusters: NDArray[np.int64], matched: dict[int, int], names: Names) -> Groups:
    """Clusters under the name of the label each is matched to, where it is one."""
    return {
        f"cluster {number + 1}" + (f" ({names[matched[number]]})" if matched.get(number) in names else ""): own
        for number in np.unique(clusters)
        if (own := clusters == number).any()
    }


def _mass_figure(mass: NDArray[np.float32], by_cluster: Groups, by_label: Groups, most: float) -> go.Figure:
    edges = np.linspace(0, most, _BINS + 1)
    colours = dict(zip(by_label, _COLOURS, strict=False))
    figure = go.Figure()
    for groups, dash in ((by_cluster, "solid"), (by_label, "dot")):
        for name, own in groups.items():
            counts = np.histogram(mass[own], edges)[0]
            line = {"shape": "hv", "dash": dash, "color": _colour_of(name, colours)}
            title = name if dash == "solid" else f"true {name}"
            figure.add_scatter(x=edges[:-1].round(2), y=counts, name=title, mode="lines", line=line)
    return figure.update_layout(xaxis_title="mass [GeV]", yaxis_title="rows")


def _colour_of(name: str, colours: Mapping[str, str]) -> str:
    """A label's colour, also for the cluster that is matched to it; grey for a cluster without one."""
    return next((colour for label, colour in colours.items() if name == label or name.endswith(f"({label})")), _GREY)


def _line_figure(encoding: NDArray[np.float32], by_label: Groups) -> go.Figure:
    """Histograms of an encoding of a single number, one for each label."""
    edges = np.linspace(*np.quantile(encoding.astype(np.float64), (0.0, 1.0)), _BINS + 1)
    figure = go.Figure()
    for (name, own), colour in zip(by_label.items(), _COLOURS, strict=False):
        counts = np.histogram(encoding[own], edges)[0]
        line = {"shape": "hv", "color": colour}
        figure.add_scatter(x=edges[:-1].round(4), y=counts, name=name, mode="lines", line=line)
    return figure.update_layout(xaxis_title="encoding", yaxis_title="rows")


def _plane(encoding: NDArray[np.float32]) -> NDArray[np.float64]:
    """The encodings along their two directions of largest variance, ``(B, 2)``."""
    centred = encoding.astype(np.float64) - encoding.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, :-3:-1]


def _latent_figure(plane: NDArray[np.float64], by_label: Groups) -> go.Figure:
    """A map of the latent plane for each label: contours of how many rows lie where."""
    edges = [np.linspace(*np.quantile(plane[:, axis], (0.005, 0.995)), _LATENT_BINS + 1) for axis in (0, 1)]
    centres = [np.round((one[1:] + one[:-1]) / 2, 4) for one in edges]
    figure = go.Figure()
    for (name, own), colour in zip(by_label.items(), _COLOURS, strict=False):
        counts = np.histogram2d(plane[own, 0], plane[own, 1], edges)[0].T.astype(int)
        scale = [[0, colour], [1, colour]]
        look = {"contours": {"coloring": "lines"}, "showscale": False, "ncontours": 6, "colorscale": scale}
        figure.add_contour(x=centres[0], y=centres[1], z=counts, name=name, showlegend=True, **look)
    return figure.update_layout(xaxis_title="first principal axis", yaxis_title="second principal axis")
