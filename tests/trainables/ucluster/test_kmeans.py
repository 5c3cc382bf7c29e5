import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from trainables.ucluster.kmeans import kmeans


def inertia(points: torch.Tensor, centroids: torch.Tensor) -> float:
    return float(torch.cdist(points.double(), centroids.double()).square().amin(1).sum())


@pytest.mark.parametrize("seed", range(4))
def test_it_is_as_good_as_scikit_learns(seed: int) -> None:
    points = torch.from_numpy(np.random.default_rng(seed).normal(size=(300, 3))).float()
    reference = KMeans(4, n_init=20, random_state=seed).fit(points.numpy())
    assert inertia(points, kmeans(points, 4, seed)) <= 1.03 * reference.inertia_


def test_it_finds_separated_groups() -> None:
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]])
    points = (centres.repeat(40, 1) + 0.1 * torch.randn(120, 2, generator=torch.Generator().manual_seed(3))).float()
    found = kmeans(points, 3, seed=1)
    assert torch.cdist(found, centres).amin(1).max() < 0.1
    assert torch.cdist(found, centres).argmin(1).unique().numel() == 3


def test_the_seed_decides() -> None:
    points = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(kmeans(points, 5, 7), kmeans(points, 5, 7))


def test_points_that_are_all_equal_are_no_error() -> None:
    assert torch.equal(kmeans(torch.ones(10, 3), 3, 1), torch.ones(3, 3))
