"""Accuracy and Rand index against scikit-learn and against trying every matching."""

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from trainables.ucluster.metrics import accuracy, adjusted_rand_index, anomaly_metrics, contingency, matching


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_is_that_of_the_best_of_all_matchings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters, labels = torch.from_numpy(rng.integers(0, 3, 50)), torch.from_numpy(rng.integers(0, 3, 50))
    best = max(np.mean(np.array(order)[clusters] == labels.numpy()) for order in permutations(range(3)))
    assert accuracy(contingency(clusters, labels, 3).numpy()) == pytest.approx(best)


def test_a_cluster_beyond_the_labels_counts_as_wrong() -> None:
    clusters, labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])
    table = contingency(clusters, labels, 4).numpy()
    assert accuracy(table) == 6 / 8
    assert {matching(table)[0], matching(table)[1]} == {0, 1}


@pytest.mark.parametrize("seed", range(5))
def test_the_rand_index_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 200)
    clusters = np.where(rng.random(200) < 0.6, labels, rng.integers(0, 4, 200))
    table = contingency(torch.from_numpy(clusters), torch.from_numpy(labels), 4).numpy()
    assert adjusted_rand_index(table) == pytest.approx(adjusted_rand_score(labels, clusters))


def test_the_rand_index_of_one_cluster_and_one_label_is_one() -> None:
    assert adjusted_rand_index(np.array([[5.0, 0.0], [0.0, 0.0]])) == 1.0


def test_tables_of_parts_add_up() -> None:
    rng = np.random.default_rng(1)
    clusters, labels = torch.from_numpy(rng.integers(0, 3, 90)), torch.from_numpy(rng.integers(0, 5, 90))
    parts = sum(contingency(clusters[i::4], labels[i::4], 3) for i in range(4))
    assert torch.equal(parts, contingency(clusters, labels, 3))


def test_signal_in_the_cluster_of_largest_share() -> None:
    table = np.array([[90.0, 2.0, 0, 0, 0], [5.0, 8.0, 0, 0, 0]])
    metrics = anomaly_metrics(table)
    assert metrics["val_signal_purity"] == pytest.approx(8 / 13)
    assert metrics["val_signal_efficiency"] == pytest.approx(0.8)
    assert metrics["val_enrichment"] == pytest.approx((8 / 13) / (10 / 105))


def test_without_signal_there_is_no_purity() -> None:
    assert np.isnan(anomaly_metrics(np.array([[3.0, 0.0], [2.0, 0.0]]))["val_signal_purity"])
