"""Metrics and plots, against counting by hand."""

import json
import math

import numpy as np
import pytest
import torch

from tests.trainables.lartpc import fakes
from trainables.lartpc.data import datasets
from trainables.lartpc.figures import coarse, figures
from trainables.lartpc.metrics import class_metrics, confusion, efficiency_by_momentum, soft_confusion
from trainables.lartpc.particles import CLASS_NAMES

LABELS = torch.tensor([0, 0, 1, 2, 2, 2, 4])
GUESSES = torch.tensor([0, 1, 1, 2, 2, 0, 3])


def test_counts_by_true_and_predicted_class():
    counts = confusion(torch.nn.functional.one_hot(GUESSES, 5).float(), LABELS)
    assert counts.tolist() == [[1, 1, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 2, 0, 0], [0] * 5, [0, 0, 0, 1, 0]]
    metrics = class_metrics(counts)
    assert metrics["val_accuracy"] == (4, 7)
    assert [metrics[f"eff_{name}"] for name in CLASS_NAMES] == [(1, 2), (1, 1), (2, 3), (0, 0), (0, 1)]
    assert [metrics[f"purity_{name}"] for name in CLASS_NAMES] == [(1, 2), (1, 2), (2, 2), (0, 1), (0, 0)]


def test_the_talks_matrix_sums_probabilities():
    logits = torch.randn(50, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(50) % 5
    matrix = soft_confusion(logits, labels)
    torch.testing.assert_close(matrix.sum(1), torch.full((5,), 10.0, dtype=torch.float64))
    expected = sum(logits[i].double().softmax(0) for i in range(50) if labels[i] == 3)
    torch.testing.assert_close(matrix[3], expected)


def test_efficiency_is_counted_by_class_and_momentum():
    momenta = torch.tensor([100.0, 199.0, 200.0, 300.0, 400.0, 500.0, math.nan])
    edges = torch.tensor([100.0, 200.0, 300.0, 400.0])
    right = torch.tensor([True, False, True, True, True, True, True])
    found, all_ = efficiency_by_momentum(right, torch.tensor([0, 0, 0, 1, 1, 1, 1]), momenta, edges)
    assert found[:2].tolist() == [[1, 1, 0], [0, 0, 2]]  # 300 and 400, the last edge, are of the last bin
    assert all_[:2].tolist() == [[2, 1, 0], [0, 0, 2]]
    assert found[2:].sum() == all_[2:].sum() == 0


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    names = {name: fakes.written(folder / f"{name}.parquet", 23) for name in ("train", "valid")}
    return datasets(names, 1, folder / "cache")[1]


def test_figures_show_all_events_and_are_small(events):
    shown = figures(events, lambda images: images.float().flatten(1)[:, :5] + 5 * torch.eye(5)[2], 4)
    assert list(shown) == ["Confusion matrix", "Efficiency by momentum", "Events"]
    sums = np.array(shown["Confusion matrix"].data[0].text, float)
    np.testing.assert_allclose(sums.sum(1), np.bincount(events.labels), atol=0.05)
    assert len(shown["Efficiency by momentum"].data) == 5
    assert shown["Efficiency by momentum"].data[2].y[0] == 1 and shown["Efficiency by momentum"].data[0].y[0] == 0
    assert len(shown["Events"].data) == 5
    assert all(len(json.dumps(figure.to_plotly_json(), default=list)) < 300_000 for figure in shown.values())


def test_without_momenta_there_is_no_plot_by_momentum(events):
    known = events.momenta
    events.momenta = torch.full_like(known, math.nan)
    try:
        assert list(figures(events, lambda images: torch.zeros(len(images), 5), 8)) == ["Confusion matrix", "Events"]
    finally:
        events.momenta = known


def test_displays_of_large_images_are_coarse_and_lose_no_track():
    image = torch.zeros(3600, 3600, dtype=torch.int16)
    image[1234, 777] = 100
    shown = coarse(image)
    assert max(shown.shape) <= 64
    assert float(shown.max()) == pytest.approx(math.log1p(5))
    assert int((shown > 0).sum()) == 1
