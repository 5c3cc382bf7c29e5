"""How well clusters match what jets come from: accuracy by the Hungarian method, Rand index, and signal in a cluster.

All are made of one table, the number of rows by cluster and label, which can be summed over batches and workers.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .schema import LABELS


def contingency(clusters: Tensor, labels: Tensor, n_clusters: int) -> Tensor:
    """Return the ``(n_clusters, 5)`` number of rows by cluster and label."""
    count = len(LABELS)
    pairs = clusters.long() * count + labels.long()
    return torch.bincount(pairs, minlength=n_clusters * count).view(n_clusters, count).double()


def matching(table: NDArray[np.float64]) -> dict[int, int]:
    """Return the label of each cluster in the one-to-one matching that counts most rows (Kuhn's Hungarian method)."""
    from scipy.optimize import linear_sum_assignment

    cluster, label = linear_sum_assignment(table, maximize=True)
    return dict(zip(cluster.tolist(), label.tolist(), strict=True))


def accuracy(table: NDArray[np.float64]) -> float:
    """Return the share of rows whose cluster is matched to their label."""
    return float(sum(table[pair] for pair in matching(table).items()) / table.sum())


def adjusted_rand_index(table: NDArray[np.float64]) -> float:
    """Return the Rand index adjusted for chance (Hubert and Arabie, 1985): 1 for equal partitions, 0 for random ones.

    Args:
        table: Rows by cluster and label.
    """
    pairs = _pairs(table).sum()
    rows, columns, total = _pairs(table.sum(1)).sum(), _pairs(table.sum(0)).sum(), _pairs(table.sum())
    expected, most = rows * columns / total, (rows + columns) / 2
    return 1.0 if most == expected else float((pairs - expected) / (most - expected))


def _pairs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts * (counts - 1) / 2


def cluster_metrics(table: NDArray[np.float64]) -> dict[str, float]:
    """Return ``val_accuracy`` and ``val_ari`` of jets."""
    return {"val_accuracy": accuracy(table), "val_ari": adjusted_rand_index(table)}


def anomaly_metrics(table: NDArray[np.float64]) -> dict[str, float]:
    """Return how much signal (label 1) gathers in the cluster where its share is largest.

    ``val_signal_purity``: the signal's share of that cluster. ``val_signal_efficiency``: that cluster's share of the
    signal. ``val_enrichment``: the purity by the signal's share of all rows.
    """
    signal, size = table[:, 1], table.sum(1)
    if not signal.sum():
        return {name: float("nan") for name in ("val_signal_purity", "val_signal_efficiency", "val_enrichment")}
    share = signal / np.maximum(size, 1)
    best = int(share.argmax())
    purity, overall = float(share[best]), float(signal.sum() / size.sum())
    efficiency = float(signal[best] / signal.sum())
    return {"val_signal_purity": purity, "val_signal_efficiency": efficiency, "val_enrichment": purity / overall}
