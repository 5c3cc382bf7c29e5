"""How well particles are found: efficiency and fake rate of each class, and the event's sum of pT and missing pT."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from .net import Prediction
from .schema import CLASS_NAMES, NONE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.utils import scatter

PARTICLES = {number: name.replace(" ", "_") for number, name in enumerate(CLASS_NAMES) if number != NONE}
"""The classes that are particles, by number, as they stand in metrics' names."""
MOMENTS = 8
"""Sums over events that the event metrics are made of."""


def confusion(prediction: Prediction, y: Tensor) -> Tensor:
    """Return the ``(6, 6)`` number of elements by true (row) and predicted (column) class."""
    classes = len(CLASS_NAMES)
    pairs = y[:, 0].long() * classes + prediction.logits.argmax(1)
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()


def class_metrics(counts: Tensor) -> dict[str, tuple[float, float]]:
    """Return efficiency and fake rate of each class as pairs (numerator, denominator), from a `confusion` matrix.

    ``eff_c``: of the true particles of class c, those predicted as c. ``fake_c``: of the elements predicted as c, those
    that are not: no particle at all, or one of another class.
    """
    true, predicted = counts.sum(1).tolist(), counts.sum(0).tolist()
    right = counts.diagonal().tolist()
    metrics = {f"eff_{name}": (right[c], true[c]) for c, name in PARTICLES.items()}
    return metrics | {f"fake_{name}": (predicted[c] - right[c], predicted[c]) for c, name in PARTICLES.items()}


def event_sums(prediction: Prediction, y: Tensor, sizes: Tensor) -> Tensor:
    """Return each event's predicted and true sum of pT and missing pT: ``(events, 4)`` in GeV.

    Predicted are the elements whose likeliest class is a particle; the missing pT is ``|sum of pT vectors|``.
    """
    pt, sin, cos = prediction.momentum[:, 0].exp(), prediction.momentum[:, 2], prediction.momentum[:, 3]
    found = prediction.logits.argmax(1) != NONE
    predicted = _sums(torch.stack([pt, pt * sin, pt * cos], 1) * found[:, None], sizes)
    pt, sin, cos = y[:, 2], y[:, 4], y[:, 5]
    return torch.stack([*predicted, *_sums(torch.stack([pt, pt * sin, pt * cos], 1), sizes)], 1)[:, [0, 2, 1, 3]]


def _sums(vectors: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    total = scatter(vectors.double(), torch.repeat_interleave(sizes), dim_size=len(sizes), reduce="sum")
    return total[:, 0], torch.hypot(total[:, 1], total[:, 2])


def event_moments(sums: Tensor) -> Tensor:
    """Return what `event_metrics` needs of `event_sums`, ``(MOMENTS,)``, summable over batches and workers."""
    # An event without true particles has no response, but a missing pT.
    true = sums[:, 1] > 0
    response, shift = torch.where(true, sums[:, 0] / sums[:, 1], 0.0), sums[:, 2] - sums[:, 3]
    parts = [true, response, response**2, torch.ones_like(shift), shift, shift**2, sums[:, 2], sums[:, 3]]
    return torch.stack([part.double() for part in parts], 1).sum(0)


def event_metrics(moments: Tensor) -> dict[str, float]:
    """Return response and resolution of the event's sum of pT and missing pT (MET), from summed `event_moments`.

    ``sumpt_response`` and ``sumpt_resolution``: mean and standard deviation, over the events, of predicted by true sum
    of pT. ``met_response``: mean predicted by mean true MET. ``met_resolution``: standard deviation of predicted minus
    true MET, in GeV.
    """
    with_particles, ratio, ratio2, events, shift, shift2, met, true_met = moments.unbind()
    metrics = {
        "sumpt_response": ratio / with_particles,
        "sumpt_resolution": _deviation(with_particles, ratio, ratio2),
        "met_response": met / true_met,
        "met_resolution": _deviation(events, shift, shift2),
    }
    return {name: value.item() for name, value in metrics.items()}


def _deviation(count: Tensor, total: Tensor, squares: Tensor) -> Tensor:
    # Rounding can make the variance of equal values slightly negative.
    return (squares / count - (total / count) ** 2).clamp(min=0).sqrt()
