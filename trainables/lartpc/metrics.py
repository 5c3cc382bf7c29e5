"""How well particles are told apart: accuracy, efficiency and purity of each class, and the talk's confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from .particles import CLASS_NAMES

Pairs = dict[str, tuple[float, float]]
"""Metrics as numerator and denominator, which add up over batches and workers."""


def confusion(logits: Tensor, labels: Tensor) -> Tensor:
    """The ``(5, 5)`` number of events by true (row) and likeliest (column) class."""
    classes = len(CLASS_NAMES)
    pairs = labels * classes + logits.argmax(1)
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()


def soft_confusion(logits: Tensor, labels: Tensor) -> Tensor:
    """The ``(5, 5)`` sum of probabilities by true (row) and predicted (column) class, as the talk's matrix has it."""
    total = torch.zeros(len(CLASS_NAMES), len(CLASS_NAMES), dtype=torch.float64, device=logits.device)
    return total.index_add_(0, labels, logits.double().softmax(1))


def class_metrics(counts: Tensor) -> Pairs:
    """Accuracy, and efficiency and purity of each class, from a `confusion` matrix.

    ``val_accuracy``: of all events, those whose likeliest class is the true one. ``eff_c``: the same of the true events
    of class c. ``purity_c``: of the events predicted as c, those that are.
    """
    right, true, predicted = counts.diagonal().tolist(), counts.sum(1).tolist(), counts.sum(0).tolist()
    metrics: Pairs = {"val_accuracy": (sum(right), sum(true))}
    metrics |= {f"eff_{name}": (right[c], true[c]) for c, name in enumerate(CLASS_NAMES)}
    return metrics | {f"purity_{name}": (right[c], predicted[c]) for c, name in enumerate(CLASS_NAMES)}


def efficiency_by_momentum(right: Tensor, labels: Tensor, momenta: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Count events by class and momentum.

    Args:
        right: ``(events,)``, whether the likeliest class is the true one.
        labels: ``(events,)``.
        momenta: ``(events,)`` in MeV/c.
        edges: ``(bins + 1,)``; events outside, or of unknown momentum, are not counted.

    Returns:
        ``(5, bins)`` right ones and all.
    """
    bins = len(edges) - 1
    place = torch.bucketize(momenta, edges, right=True) - 1
    place = torch.where(momenta == edges[-1], bins - 1, place)
    inside = (place >= 0) & (place < bins) & ~momenta.isnan()
    cell = (labels * bins + place)[inside]
    size = len(CLASS_NAMES) * bins
    found = torch.bincount(cell, right[inside].double(), minlength=size)
    return found.view(-1, bins), torch.bincount(cell, minlength=size).view(-1, bins).double()
