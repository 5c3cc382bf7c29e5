"""The graph neural network of MLPF: from detector elements to particle candidates.

Pata, Duarte, Vlimant, Pierini, Spiropulu: "MLPF: efficient machine-learned particle-flow reconstruction using graph
neural networks", Eur. Phys. J. C 81, 381 (2021), arXiv:2101.08578. Deviations are listed in README.md.

A batch is ragged: the ``N`` elements of all events one after the other, and ``sizes``, the elements of each event.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .binning import Layout, assign, into_bins, out_of_bins
from .schema import CLASS_NAMES, TOWER, TRACK
from .settings import Settings

with warnings.catch_warnings():
    # torch-geometric scripts a class with torch.jit when it is imported, which torch has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import MLP
    from torch_geometric.nn.resolver import activation_resolver

MAX_ROTATIONS = 256
"""Columns of an LSH matrix: an event's codes are as many as its bins up to twice this number."""
FEATURES = 15
"""Features of an element that the network starts from, see `element_features`."""


class Prediction(NamedTuple):
    """What the network says about each element.

    Attributes:
        logits: ``(N, 6)``, unnormalised log-probabilities of the particle classes.
        momentum: ``(N, 5)``, log pT, eta, sin phi, cos phi and log E of the particle (GeV, rad).
    """

    logits: Tensor
    momentum: Tensor


def measured_momentum(x: Tensor) -> Tensor:
    """Return the elements' own ``(N, 5)`` log pT, eta, sin phi, cos phi and log E, from ``(N, 12)`` elements."""
    pt, energy = (x[:, column].clamp(min=1e-3).log() for column in (1, 5))
    return torch.stack([pt, x[:, 2], x[:, 3], x[:, 4], energy], dim=1)


def element_features(x: Tensor) -> Tensor:
    """Return ``(N, 15)`` features of order one.

    Common to both kinds are the element's momentum and what kind it is. Columns 6 to 11 mean different things for
    tracks and towers and get columns of their own, 0 for the other kind, so that each kind has weights of its own.
    """
    track, tower = (x[:, 0:1] == kind for kind in (TRACK, TOWER))
    deposits = torch.asinh(x[:, 6:8])
    return torch.cat([track, tower, measured_momentum(x), x[:, 6:12] * track, deposits * tower], dim=1)


class GHConv(nn.Module):
    r"""Gated message passing that tells alike from unlike neighbours (Xin et al.; as in MLPF's code).

        X' = act(g * (D^-1/2 A D^-1/2 X Theta) + (1 - g) * X W_h),    g = sigmoid(X W_g + b)

    ``A`` is the adjacency within a bin and ``D`` the diagonal of its row sums; without `normalize`, ``D = 1``.
    """

    def __init__(self, inputs: int, outputs: int, activation: str, normalize: bool) -> None:
        super().__init__()
        self.weights = nn.Linear(inputs, 3 * outputs, bias=False)
        self.gate_bias = nn.Parameter(torch.zeros(outputs))
        self.activation = activation_resolver(activation)
        self.normalize = normalize

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """From ``(bins, size, inputs)`` and ``(bins, size, size)`` to ``(bins, size, outputs)``."""
        alike, unlike, gate = self.weights(x).chunk(3, dim=-1)
        if self.normalize:
            norm = (adjacency.sum(-1, keepdim=True) + 1e-6).rsqrt()
            alike = norm * (adjacency @ (norm * alike))
        else:
            alike = adjacency @ alike
        gate = torch.sigmoid(gate + self.gate_bias)
        mixed: Tensor = self.activation(gate * alike + (1 - gate) * unlike)
        return mixed


class GraphLayer(nn.Module):
    r"""Builds a graph in a learned space and passes messages along it (MLPF's combined graph layer).

    Elements are mapped to ``d = FFN(x)``, hashed into bins, and joined within a bin by the Gaussian kernel

        A_ij = max(exp(-dist_mult * |d_i - d_j|^2), clip_value_low)

    along which `GHConv` then passes ``num_node_messages`` messages.
    """

    rotations: Tensor

    def __init__(self, inputs: int, settings: Settings) -> None:
        super().__init__()
        hidden = [settings.ffn_dist_hidden_dim] * settings.ffn_dist_num_layers
        self.norm = nn.LayerNorm(inputs) if settings.layernorm else nn.Identity()
        self.place = _mlp([inputs, *hidden, settings.distance_dim], settings, settings.dropout / 2)
        self.register_buffer("rotations", torch.randn(settings.distance_dim, MAX_ROTATIONS))
        widths = [inputs] + [settings.output_dim] * settings.num_node_messages
        self.messages = nn.ModuleList(
            GHConv(before, after, settings.activation, settings.normalize_degrees) for before, after in pairwise(widths)
        )
        self.dropout = nn.Dropout(settings.dropout / 2)
        self.dist_mult, self.clip_value_low = settings.dist_mult, settings.clip_value_low

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """From ``(N, inputs)`` to ``(N, output_dim)``."""
        x = self.norm(x)
        points = self.place(x)
        slot = assign(points, self.rotations, layout)
        adjacency = self.adjacency(into_bins(points, slot, layout), layout.occupied)
        x = into_bins(x, slot, layout)
        for message in self.messages:
            x = self.dropout(message(x, adjacency.to(x.dtype)))
        return out_of_bins(x, slot)

    def adjacency(self, points: Tensor, occupied: Tensor) -> Tensor:
        """The kernel of each pair in a bin, ``(bins, size, size)``, 0 where one of them is padding.

        Args:
            points: ``(bins, size, distance_dim)``.
            occupied: ``(bins, size)``, false in the padding.
        """
        # Differences of large squares need full precision.
        with torch.autocast(points.device.type, enabled=False):
            points = points.float()
            square = points.square().sum(-1)
            inner = torch.baddbmm(square.unsqueeze(1), points, points.transpose(1, 2), alpha=-2)
            distance = (inner + square.unsqueeze(2)).clamp(min=0)
            kernel = torch.exp(-self.dist_mult * distance).clamp(min=self.clip_value_low)
        return kernel * (occupied.unsqueeze(1) & occupied.unsqueeze(2))


class MLPFNet(nn.Module):
    """Encoder, graph layers and decoders.

    The common graph layers follow each other; those for energy go on from the last of them. A decoder sees the encoded
    element and the outputs of all layers before it; those of momentum also the class's logits, without gradient.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, outputs = settings.output_dim, len(CLASS_NAMES)
        self.bin_size = settings.bin_size
        self.encoder = _mlp([FEATURES, settings.hidden_dim, width], settings, 0.0)
        self.common = nn.ModuleList(GraphLayer(width, settings) for _ in range(settings.num_graph_layers_common))
        self.energy = nn.ModuleList(GraphLayer(width, settings) for _ in range(settings.num_graph_layers_energy))
        seen = FEATURES + width * (1 + len(self.common))
        self.classes = _decoder(seen, outputs, settings)
        self.direction = _decoder(seen + outputs, 3, settings)
        self.scale = _decoder(seen + outputs + width * len(self.energy), 2, settings)

    def forward(self, x: Tensor, sizes: Tensor) -> Prediction:
        """Predict from elements ``x``, ``(N, 12)``, of events with ``sizes`` elements, ``(events,)``."""
        return self.predict(x, Layout.of(sizes, self.bin_size))

    def predict(self, x: Tensor, layout: Layout) -> Prediction:
        """Predict from elements ``x``, ``(N, 12)``, that are cut into the bins of ``layout``."""
        features = element_features(x)
        encoded = self.encoder(features)
        common = [encoded, *_chain(self.common, encoded, layout)]
        logits = self.classes(torch.cat([features, *common], dim=1))
        seen = [features, *common, logits.detach()]
        direction = self.direction(torch.cat(seen, dim=1))
        scale = self.scale(torch.cat([*seen, *_chain(self.energy, common[-1], layout)], dim=1))
        correction = torch.cat([scale[:, :1], direction, scale[:, 1:]], dim=1)
        return Prediction(logits, measured_momentum(x) + correction)


def _chain(layers: Iterable[nn.Module], x: Tensor, layout: Layout) -> list[Tensor]:
    """The outputs of graph layers, each fed with that of the one before."""
    return list(accumulate(layers, lambda before, layer: layer(before, layout), initial=x))[1:]


def _mlp(widths: list[int], settings: Settings, dropout: float) -> MLP:
    return MLP(widths, act=settings.activation, norm=None, dropout=dropout)


def _decoder(inputs: int, outputs: int, settings: Settings) -> nn.Module:
    decoder = _mlp([inputs, settings.hidden_dim, settings.hidden_dim, outputs], settings, settings.dropout)
    return nn.Sequential(nn.LayerNorm(inputs), decoder) if settings.layernorm else decoder


class ParticleFlow(nn.Module):
    """A trained network for use: from the elements of one event, as in an event file, to its particle candidates.

    Args:
        network: The network.
    """

    def __init__(self, network: MLPFNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """From the event's ``(N, 12)`` elements to a candidate for each.

        Returns:
            ``probabilities``, ``(N, 6)``, of the classes as ordered in `CLASS_NAMES`; ``momentum``, ``(N, 4)``: pT in
            GeV, eta, phi in rad (-pi to pi), and E in GeV.
        """
        prediction = self.network.predict(x, Layout.of_one(x, self.network.bin_size))
        log_pt, eta, sin_phi, cos_phi, log_energy = prediction.momentum.unbind(1)
        momentum = torch.stack([log_pt.exp(), eta, torch.atan2(sin_phi, cos_phi), log_energy.exp()], dim=1)
        return {"probabilities": prediction.logits.softmax(1), "momentum": momentum}
