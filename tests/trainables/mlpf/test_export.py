"""The model for use computes what training does, in PyTorch and in the formats that it is exported to."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raise_hpo.export.check import TOLERANCE, largest_deviation, outputs_of
from raise_hpo.export.formats import to_onnx, to_torch
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from tests.trainables.mlpf import fakes
from trainables.mlpf.net import ParticleFlow
from trainables.mlpf.trainable import MLPF

SMALL = {"hidden_dim": 8, "output_dim": 8, "distance_dim": 8, "ffn_dist_hidden_dim": 8}
ONE_LAYER = {"num_graph_layers_common": 1, "num_graph_layers_energy": 0}


def runner(**config: object) -> TrialRunner:
    return TrialRunner(MLPF, {**MLPF.defaults, **SMALL, "lr": 3e-3, **config}, Place(data={"max_events": 8}))


def test_the_model_for_use_says_of_an_event_what_validation_does_in_a_batch() -> None:
    trial = runner(bin_size=16)
    trial.epoch()
    model, examples = trial.trainable.inference()
    rows = trial.trainable.valid_events.head(8)["X"]
    trial.trainable.model.eval()
    with torch.no_grad():
        batch = trial.trainable.model(rows.values, rows.lengths)
        found = [model(x) for x in rows.values.split(rows.lengths.tolist())]
    assert len(examples["x"]) == max(rows.lengths) and len(set(rows.lengths.tolist())) > 4
    probabilities, momentum = (torch.cat([each[name] for each in found]) for name in ("probabilities", "momentum"))
    torch.testing.assert_close(probabilities, batch.logits.softmax(1), rtol=0, atol=1e-5)
    pt, eta, phi, energy = momentum.unbind(1)
    for mine, column in ((pt.log(), 0), (eta, 1), (energy.log(), 4)):
        torch.testing.assert_close(mine, batch.momentum[:, column], rtol=0, atol=1e-5)
    length = batch.momentum[:, 2:4].norm(dim=1)
    torch.testing.assert_close(length * phi.sin(), batch.momentum[:, 2], rtol=0, atol=1e-5)
    torch.testing.assert_close(length * phi.cos(), batch.momentum[:, 3], rtol=0, atol=1e-5)


def test_the_model_for_use_is_a_copy_in_evaluation_mode() -> None:
    trial = runner(dropout=0.5)
    model, examples = trial.trainable.inference()
    assert not model.training and trial.trainable.model.training
    with torch.no_grad():
        before = model(**examples)["probabilities"]
        trial.trainable.model.classes.lins[0].weight.zero_()
        torch.testing.assert_close(model(**examples)["probabilities"], before, rtol=0, atol=0)
    torch.testing.assert_close(before.sum(1), torch.ones(len(before)))


def sizes_around_the_bins(bin_size: int) -> list[int]:
    """One element, less than a bin, a bin and one more, and more bins than an event has codes."""
    return [1, 2, bin_size - 1, bin_size, bin_size + 1, 2 * bin_size + 1, 600 * bin_size]


@pytest.mark.parametrize(("to_format", "file", "most"), [(to_torch, "model.pt2", 1e-6), (to_onnx, "model.onnx", 1e-5)])
def test_an_exported_model_takes_events_of_every_size(to_format: Any, file: str, most: float, tmp_path: Path) -> None:
    if to_format is to_onnx:
        pytest.importorskip("onnxruntime")
    model, examples = runner(bin_size=3, **ONE_LAYER).trainable.inference()
    run = to_format(model, examples, tmp_path / file)
    assert largest_deviation(model, run, examples) <= TOLERANCE
    for size in sizes_around_the_bins(3):
        x = fakes.batch(size, seed=size).x
        assert deviation(model, run({"x": x}), x) < most, size


@torch.no_grad()
def deviation(model: nn.Module, found: list[object], x: torch.Tensor) -> float:
    """The largest relative deviation of an exported model's outputs."""
    assert isinstance(model, ParticleFlow)
    expected = [value for _, value in outputs_of(model(x))]
    pairs = [(mine, torch.as_tensor(theirs)) for mine, theirs in zip(expected, found, strict=True)]
    assert all(mine.shape == theirs.shape for mine, theirs in pairs)
    return max(float(((mine - theirs).abs() / mine.abs().clamp(min=1)).max()) for mine, theirs in pairs)
