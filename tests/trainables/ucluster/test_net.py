"""The network: layer shapes of the released code, its formulas term by term, and what padding and order may change."""

import pytest
import torch
from torch import Tensor

from tests.trainables.ucluster import fakes
from trainables.ucluster.net import Assigner, AttentionHead, UClusterNet, gather, neighbours
from trainables.ucluster.norm import MaskedBatchNorm
from trainables.ucluster.settings import Settings

SMALL = {"width": 8, "num_point": 30, "k": 5}


@pytest.fixture(scope="module")
def points() -> Tensor:
    return torch.from_numpy(fakes.arrays(12, seed=3)["points"])


def net(**changes: object) -> UClusterNet:
    torch.manual_seed(1)
    return UClusterNet(Settings(**{**SMALL, **changes}))


# The convolutions of models/gapnet_seg.py of ViniciusMikuni/UCluster up to the encoding, and the fully connected layers
# of its gapnet_classify.py: inputs and outputs of each, batch normalization after all but the last.
RELEASED = (
    *((8, 16), (8, 16), (16, 1), (16, 1), (24, 64), (64, 128)),
    *((128, 128), (128, 128), (128, 1), (128, 1), (136, 256), (256, 256)),
    *((64 + 128 + 256 + 256 + 16 + 128, 3), (3, 256), (256, 128)),
)


def test_layers_are_those_of_the_released_code() -> None:
    model = UClusterNet(Settings())
    found = sorted(tuple(w.shape[::-1]) for n, w in model.named_parameters() if w.dim() == 2 and n != "centroids")
    assert found == sorted([*RELEASED, (128, 20)])
    weights = sum(inputs * outputs + 2 * outputs for inputs, outputs in RELEASED)
    attention_biases, last, centroids = 16 + 128, 128 * 20 + 20, 3 * 3
    assert sum(p.numel() for p in model.parameters()) == weights + attention_biases + last + centroids


def test_shapes(points: Tensor) -> None:
    output = net(ncat=7, max_dim=2, n_clusters=4)(points)
    assert [tuple(part.shape) for part in output] == [(12, 7), (12, 2), (12, 4)]
    output = net(ncat=7, task="anomaly", max_dim=2)(points, torch.randn(12, 4))
    assert [tuple(part.shape) for part in output] == [(12, 30, 7), (12, 2), (12, 3)]


def test_neighbours_are_the_nearest() -> None:
    x = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(5))
    found = neighbours(x, torch.ones(3, 20), 6).sort(-1).values
    assert torch.equal(found, torch.cdist(x, x).argsort(-1)[..., :6].sort(-1).values)


def test_padding_is_nobodys_neighbour_while_there_are_others() -> None:
    x = torch.randn(2, 20, 2, generator=torch.Generator().manual_seed(5))
    occupied = (torch.arange(20) < 9).float().repeat(2, 1)
    assert neighbours(x, occupied, 9).max() == 8


def test_gather_takes_rows_of_its_own_batch() -> None:
    values = torch.arange(2 * 4 * 3).view(2, 4, 3)
    index = torch.tensor([[[3, 0]] * 4, [[1, 2]] * 4])
    assert torch.equal(gather(values, index)[1, 0], values[1, [1, 2]])


def test_a_head_is_the_formula_term_by_term() -> None:
    torch.manual_seed(2)
    head = AttentionHead(4, 6).eval()
    torch.nn.init.normal_(head.bias)
    x = torch.randn(1, 9, 4)
    index = neighbours(x, torch.ones(1, 9), 3)
    seen, local = head(x, index, torch.ones(1, 9), torch.ones(1, 9, 3))
    for i in range(9):
        edges = torch.stack([head.edge(x[0, i] - x[0, j]) for j in index[0, i]])
        edges = torch.relu(head.edge_norm(edges))
        weights = head.own_weight(head.own(x[0, i])) + head.edge_weight(edges).squeeze(-1)
        share = torch.softmax(torch.nn.functional.leaky_relu(weights, 0.2), 0)
        torch.testing.assert_close(seen[0, i], torch.relu(share @ edges + head.bias))
        torch.testing.assert_close(local[0, i], edges.amax(0))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_what_stands_in_the_padding_does_not_count(points: Tensor, training: bool, pooling: str) -> None:
    torch.manual_seed(4)
    model = net(pooling=pooling, dropout=0.0, num_point=100).train(training)
    dirty = points.clone()
    empty = points[..., 7] == 0
    dirty[..., 0] = torch.where(empty, torch.randn(empty.shape), points[..., 0])
    for clean, other in zip(model(points), model(dirty), strict=True):
        torch.testing.assert_close(clean, other, rtol=1e-4, atol=1e-5)


def test_the_order_of_constituents_does_not_count(points: Tensor) -> None:
    # In double precision, as rounding would choose other neighbours among those that are nearly as far.
    model, points = net(num_point=100).eval().double(), points.double()
    order = torch.randperm(100, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(model(points).encoding, model(points[:, order]).encoding, rtol=1e-4, atol=1e-5)


def test_only_the_leading_constituents_and_first_features_are_used(points: Tensor) -> None:
    model = net(nfeat=5).eval()
    other = points.clone()
    other[:, 30:] = 0
    other[..., 5:] = 7.0
    torch.testing.assert_close(model(points).encoding, model(other).encoding)


def test_distances_are_squared_euclidean(points: Tensor) -> None:
    model = net().eval()
    torch.nn.init.normal_(model.centroids)
    output = model(points)
    torch.testing.assert_close(output.distances, torch.cdist(output.encoding, model.centroids).square())


def test_the_assigner_takes_rows_as_they_are_in_files(points: Tensor) -> None:
    model = net()
    torch.nn.init.normal_(model.centroids)
    cluster, encoding, distances = Assigner(model).eval()(points.flatten(1))
    torch.testing.assert_close(encoding, model(points).encoding)
    assert torch.equal(cluster, distances.argmin(1))


def test_normalization_leaves_padding_out() -> None:
    norm, x = MaskedBatchNorm(3), torch.randn(4, 10, 3) * 5 + 40
    occupied = (torch.rand(4, 10) < 0.6).float()
    reference = torch.nn.BatchNorm1d(3, eps=1e-3)
    expected = reference(x[occupied.bool()])
    torch.testing.assert_close(norm(x, occupied)[occupied.bool()], expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.mean, reference.running_mean)
    norm.eval()
    torch.testing.assert_close(norm(x), (x - norm.mean) / (norm.variance + 1e-3).sqrt(), rtol=1e-4, atol=1e-4)


def test_gradients_go_through_the_batchs_moments() -> None:
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    occupied = torch.tensor([[1.0, 1, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=torch.float64)
    norm = MaskedBatchNorm(3).double()
    norm.momentum = 0.0

    def loss(values: Tensor) -> Tensor:
        return (norm(values, occupied) ** 3).sum()

    step = 1e-5 * torch.randn(2, 5, 3, dtype=torch.float64)
    loss(x).backward()
    numeric = (loss(x.detach() + step) - loss(x.detach() - step)) / 2
    assert (x.grad * step).sum().item() == pytest.approx(numeric.item(), rel=1e-3)
