"""Plots of generated showers beside the reference: profiles, sampling fraction, hits and widths by primary energy."""

from __future__ import annotations

import plotly.graph_objects as go
from torch import Tensor

from .physics import ENERGY_EDGES, mean_profiles, mean_quantities, resolution

_KINDS = (("reference", "solid"), ("generated", "dash"))
_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677")


def figures(total: Tensor, shape: tuple[int, int, int], angle: bool) -> dict[str, go.Figure]:
    """Plots by title.

    Args:
        total: the sums of `trainables.calogan.physics`, ``(2, BINS, quantities)``.
        shape: of a shower.
        angle: whether the angle varies.
    """
    used = [i for i in range(total.shape[1]) if total[0, i, 0] > 0]
    x, y, z = (profile.cpu() for profile in mean_profiles(total, shape))
    means = {name: value.cpu() for name, value in mean_quantities(total).items()}
    means["resolution"] = resolution(means)
    found = {
        "Longitudinal profile": _by_bin(z, used, "layer", "share of the shower's energy"),
        "Transverse profile, x": _by_bin(x, used, "cell", "share of the shower's energy"),
        "Transverse profile, y": _by_bin(y, used, "cell", "share of the shower's energy"),
    }
    names = {
        "sampling": "Sampling fraction",
        "resolution": "Spread of the sampling fraction",
        "hits": "Cells hit",
        "rms_x": "Width along x in cells",
        "rms_z": "Length in layers",
        "mean_z": "Mean layer",
    } | ({"angle": "Measured angle in rad"} if angle else {})
    return found | {title: _by_energy(means["energy"], means[name], used, title) for name, title in names.items()}


def _bin_name(number: int) -> str:
    edges = ("", *(f"{edge:g}" for edge in ENERGY_EDGES), "")
    return f"{edges[number]}-{edges[number + 1]} GeV".replace("--", "-").lstrip("-") if number else f"< {edges[1]} GeV"


def _by_bin(profile: Tensor, used: list[int], axis: str, title: str) -> go.Figure:
    figure = go.Figure(layout={"xaxis_title": axis, "yaxis_title": title, "template": "plotly_white"})
    for number in used:
        for kind, (name, dash) in enumerate(_KINDS):
            line = {"color": _COLOURS[number], "dash": dash, "shape": "hvh"}
            values = [round(value, 7) for value in profile[kind, number].tolist()]
            figure.add_scatter(y=values, mode="lines", line=line, name=f"{_bin_name(number)}, {name}")
    return figure


def _by_energy(energy: Tensor, values: Tensor, used: list[int], title: str) -> go.Figure:
    axis = "mean primary energy in GeV"
    figure = go.Figure(layout={"xaxis_title": axis, "yaxis_title": title, "template": "plotly_white"})
    for kind, (name, dash) in enumerate(_KINDS):
        x, y = energy[kind, used].tolist(), values[kind, used].tolist()
        figure.add_scatter(x=x, y=y, mode="lines+markers", line={"dash": dash, "color": _COLOURS[4 * kind]}, name=name)
    return figure
