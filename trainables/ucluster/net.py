"""The network of UCluster: two graph-attention layers over nearest neighbours, an encoding, and a classifier.

The layers are those of ABCNet (Mikuni and Canelli, arXiv:2001.05311), after GAPNet (Chen et al., arXiv:1905.08705).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .norm import MaskedBatchNorm
from .schema import FEATURES
from .settings import Settings

_FAR = 1e6
"""Squared distance of padding: beyond any constituent's."""
_FEW = 3
"""Up to so many coordinates, differences are taken one by one; of more, a matrix product saves memory."""
_LOG_PT = FEATURES.index("log_pt")
_LOG_E = FEATURES.index("log_e")
_GLOBALS = 4
_CENTRES = (0.0, 0.0, 1.5, 1.9, -5.2, -5.2, 0.2, 2.0)
_SCALES = (0.2, 0.2, 1.6, 1.6, 1.6, 1.6, 0.2, 1.0)
"""About the mean and the spread of each feature over the constituents of jets around 1 TeV."""


class Output(NamedTuple):
    """What the network makes of ``B`` rows.

    Attributes:
        logits: ``(B, ncat)``, or ``(B, num_point, ncat)`` for anomaly detection.
        encoding: ``(B, max_dim)``.
        distances: ``(B, n_clusters)``, squared distances of the encoding from the centroids.
    """

    logits: Tensor
    encoding: Tensor
    distances: Tensor


def neighbours(x: Tensor, occupied: Tensor, k: int) -> Tensor:
    """Return the ``(B, N, k)`` numbers of each point's nearest points, padding last.

    Args:
        x: ``(B, N, F)``, the coordinates in which distances are taken.
        occupied: ``(B, N)``, 1 for points and 0 for padding.
        k: How many; a point is its own nearest neighbour.
    """
    distance = _squared_distances(x.detach().to(torch.promote_types(x.dtype, torch.float32)))
    distance = distance + _FAR * (1 - occupied)[:, None, :]
    return distance.topk(k, dim=-1, largest=False, sorted=False).indices


def _squared_distances(x: Tensor) -> Tensor:
    """Squared distances, ``(B, N, N)``, of ``(B, N, F)``."""
    if x.shape[-1] <= _FEW:
        return (x.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1)
    square = x.square().sum(-1)
    return square.unsqueeze(2) - 2 * x @ x.transpose(1, 2) + square.unsqueeze(1)


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Return the ``(B, N, k, F)`` rows of ``(B, N, F)`` that ``(B, N, k)`` names, each within its own ``B``."""
    batch, points, width = values.shape
    start = torch.arange(batch, device=values.device) * points
    rows = values.reshape(-1, width).index_select(0, (index + start[:, None, None]).flatten())
    return rows.view(batch, points, index.shape[2], width)


class Dense(nn.Module):
    """Linear map, batch normalization of the occupied places, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm = MaskedBatchNorm(outputs)

    def forward(self, x: Tensor, occupied: Tensor | None = None) -> Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        return functional.relu(self.norm(self.linear(x), occupied))


class AttentionHead(nn.Module):
    """One head of a graph-attention layer (GAPLayer).

    With ``x_i`` the features of point i and ``j`` one of its k neighbours, ``f`` and ``a``, ``b`` dense layers,

        e_ij = f(x_i - x_j),   c_ij = softmax_j(leaky_relu(a(g(x_i)) + b(e_ij))),   y_i = relu(sum_j c_ij e_ij + bias).

    The head gives ``y_i`` and ``max_j e_ij``. As ``f`` starts with a linear map W, ``W x_i - W x_j`` is computed
    instead of ``W (x_i - x_j)``: the product is taken once a point and not once a pair.

    Args:
        inputs: Features of a point.
        outputs: Features of an edge, ``e_ij``.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = Dense(inputs, outputs)
        self.edge = nn.Linear(inputs, outputs, bias=False)
        self.edge_norm = MaskedBatchNorm(outputs)
        self.own_weight = Dense(outputs, 1)
        self.edge_weight = Dense(outputs, 1)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, index: Tensor, occupied: Tensor, joined: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to neighbours.

        Args:
            x: ``(B, N, inputs)``.
            index: ``(B, N, k)``, the neighbours.
            occupied: ``(B, N)``, 1 for points and 0 for padding.
            joined: ``(B, N, k)``, 1 where both ends of an edge are points.

        Returns:
            ``y`` and the largest edge features, both ``(B, N, outputs)``.
        """
        mapped = self.edge(x)
        edges = functional.relu(self.edge_norm(mapped.unsqueeze(2) - gather(mapped, index), joined))
        weight = self.own_weight(self.own(x, occupied), occupied).unsqueeze(2) + self.edge_weight(edges, joined)
        weight = functional.leaky_relu(weight.squeeze(-1), 0.2).masked_fill(joined == 0, -1e4)
        share = torch.softmax(weight, dim=-1)
        seen = (share.unsqueeze(2) @ edges).squeeze(2)
        return functional.relu(seen + self.bias), (edges * joined.unsqueeze(-1)).amax(2)


class GraphAttention(nn.Module):
    """The heads of a layer side by side; the points' own features are put before what they see."""

    def __init__(self, inputs: int, outputs: int, heads: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(AttentionHead(inputs, outputs) for _ in range(heads))

    def forward(self, x: Tensor, points: Tensor, index: Tensor, occupied: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(B, N, features + heads * outputs)`` and ``(B, N, heads * outputs)``; arguments as in a head."""
        joined = gather(occupied.unsqueeze(-1), index).squeeze(-1) * occupied.unsqueeze(-1)
        seen, local = zip(*(head(x, index, occupied, joined) for head in self.heads), strict=True)
        return torch.cat([points, *seen], -1), torch.cat(local, -1)


class UClusterNet(nn.Module):
    """From the raw features of constituents to categories, an encoding, and distances from the clusters.

    Args:
        settings: The configuration.
    """

    centres: Tensor
    scales: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        w, used, heads = settings.width, settings.nfeat, settings.heads
        self.register_buffer("centres", torch.tensor(_CENTRES[:used]), persistent=False)
        self.register_buffer("scales", torch.tensor(_SCALES[:used]), persistent=False)
        first, second = max(w // 4, 1), 2 * w
        self.attention1 = GraphAttention(used, first, heads)
        self.dense01, self.dense02 = Dense(used + heads * first, w), Dense(w, 2 * w)
        self.attention2 = GraphAttention(2 * w, second, heads)
        self.dense11, self.dense12 = Dense(used + heads * second, 4 * w), Dense(4 * w, 4 * w)
        anomaly = settings.task == "anomaly"
        self.expand = Dense(_GLOBALS, 16) if anomaly else None
        self.aggregate = Dense(11 * w + heads * (first + second) + 16 * anomaly, settings.max_dim)
        inputs = settings.max_dim + (5 * w if anomaly else 0)
        self.hidden1, self.hidden2 = Dense(inputs, 4 * w), Dense(4 * w, 2 * w)
        self.dropout = nn.Dropout(settings.dropout)
        self.classify = nn.Linear(2 * w, settings.ncat)
        self.centroids = nn.Parameter(torch.zeros(settings.n_clusters, settings.max_dim))

    def forward(self, points: Tensor, global_features: Tensor | None = None) -> Output:
        """Classify and encode.

        Args:
            points: ``(B, 100, 8)`` or ``(B, 800)``, as in event files.
            global_features: ``(B, 4)``, for anomaly detection.
        """
        raw = points.reshape(points.shape[0], -1, len(FEATURES))[:, : self.settings.num_point]
        occupied = ((raw[..., _LOG_PT] != 0) | (raw[..., _LOG_E] != 0)).to(raw.dtype)
        x = (raw[..., : self.settings.nfeat] - self.centres) / self.scales * occupied.unsqueeze(-1)
        near = neighbours(raw[..., :2], occupied, self.settings.k)
        seen, local1 = self.attention1(x, x, near, occupied)
        h01 = self.dense01(seen, occupied)
        h02 = self.dense02(h01, occupied)
        seen, local2 = self.attention2(h02, x, neighbours(h02, occupied, self.settings.k), occupied)
        h11 = self.dense11(seen, occupied)
        h12 = self.dense12(h11, occupied)
        parts = [h01, h02, h11, h12, local1, local2]
        if self.expand is not None and global_features is not None:
            parts.append(self.expand(global_features).unsqueeze(1).expand(-1, raw.shape[1], -1))
        encoding = self._pooled(self.aggregate(torch.cat(parts, -1), occupied) * occupied.unsqueeze(-1))
        distances = (encoding.unsqueeze(1) - self.centroids).square().sum(-1)
        return Output(self._logits(encoding, h01, h11, occupied), encoding, distances)

    def _pooled(self, x: Tensor) -> Tensor:
        return x.mean(1) if self.settings.pooling == "mean" else x.amax(1)

    def _logits(self, encoding: Tensor, h01: Tensor, h11: Tensor, occupied: Tensor) -> Tensor:
        """Of each row from its encoding; for anomaly detection of each constituent, with its own features beside it."""
        if self.expand is None:
            hidden = self.hidden2(self.dropout(self.hidden1(encoding)))
        else:
            spread = encoding.unsqueeze(1).expand(-1, h01.shape[1], -1)
            hidden = self.hidden1(torch.cat([spread, h01, h11], -1), occupied)
            hidden = self.hidden2(self.dropout(hidden), occupied)
        return self.classify(hidden)


class Assigner(nn.Module):
    """The network for use: from the columns of an event file to the cluster of each row, and where it lies.

    Args:
        net: A trained network.
    """

    def __init__(self, net: UClusterNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, points: Tensor, global_features: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return cluster ``(B,)``, encoding ``(B, max_dim)`` and squared distances ``(B, n_clusters)``."""
        output = self.net(points, global_features)
        return output.distances.argmin(1), output.encoding, output.distances
