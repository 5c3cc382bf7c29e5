"""Exported models give what PyTorch gives, for any batch, and say what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raise_hpo.errors import UserError
from raise_hpo.export import formats
from raise_hpo.export.check import TOLERANCE, largest_deviation
from raise_hpo.export.export import beside, export_model
from raise_hpo.export.source import find_source
from raise_hpo.folder import StudyFolder
from raise_hpo.journal import Journal
from raise_hpo.study import StudySpec
from raise_hpo.trial.make import make_runner
from raise_hpo.trial.spec import TrialSpec

from ..toys import Line

pytestmark = pytest.mark.filterwarnings("default")  # those of onnx, torch.export and MLflow are not ours to mend


class Scaled(nn.Module):
    """A network with its preprocessing: raw x in, the sine and its sign out."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor, shift: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.net(x / 10 + shift[:, None])
        return {"sine": found, "positive": (found > 0).long()}


class Usable(Line):
    """A line that says how it is used."""

    def inference(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        x, _ = self.points.tensors
        return Scaled(self.model), {"x": 10 * x[:5], "shift": torch.zeros(5)}


@pytest.fixture
def study(studies: Path) -> StudyFolder:
    return ran(studies, "tests.export.test_export:Usable")


def ran(studies: Path, trainable: str) -> StudyFolder:
    """A study of one trial, two epochs long."""
    folder = StudyFolder(studies / "line-1")
    folder.best.mkdir(parents=True)
    given = {"trainable": trainable, "search_space": {"width": "choice([8, 16])"}, "max_epochs": 2}
    spec = StudySpec.model_validate({**given, "scheduler": "none"})
    config = {"width": 16}
    runner = make_runner(
        TrialSpec(
            trial=0, trainable=trainable, config=config, fixed={}, seed=1, data={}, precision="fp32", lr_scaling="off",
            folder=folder.path, checkpoint=None, save_at=frozenset(),
        )
    )  # fmt: skip
    metrics = [runner.epoch(), runner.epoch()]
    (folder.best / "checkpoint.pt").write_bytes(runner.save())
    told = [{"event": "reported", "trial": 0, "epoch": n, "metrics": each} for n, each in enumerate(metrics, 1)]
    with Journal(folder.journal) as journal:
        journal.append(
            [
                {"event": "study", "name": "line-1", "study": spec.resolved(), "time": 1.0},
                {"event": "suggested", "trial": 0, "config": config, "source": "random", "time": 1.0},
                *told,
            ]
        )
    return folder


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_a_model_gives_what_pytorch_gives(study: StudyFolder, kind: str) -> None:
    told = export_model(find_source("line-1"), kind)
    out = Path(told["path"])
    assert told["largest_deviation"] <= TOLERANCE
    assert json.loads(beside(out).read_text()) == told
    assert told["inputs"] == {
        "x": {"shape": ["batch", 1], "type": "float32"}, "shift": {"shape": ["batch"], "type": "float32"},
    }  # fmt: skip
    assert list(told["outputs"]) == ["sine", "positive"]
    assert (told["study"], told["trial"], told["epoch"]) == ("line-1", 0, 2)
    for file, checksum in told["sha256"].items():
        assert sha256((out.parent / file).read_bytes()).hexdigest() == checksum
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".export-")]
    assert not list(out.parent.rglob("*.pkl"))


def test_onnx_runs_alone_on_batches_of_any_size(study: StudyFolder, tmp_path: Path) -> None:
    """In a process that has neither torch nor the trainable."""
    export_model(find_source(str(study.path)), "onnx", tmp_path / "mine.onnx")
    code = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "for rows in (1, 3, 17):\n"
        "    inputs = {'x': numpy.ones((rows, 1), 'float32'), 'shift': numpy.zeros(rows, 'float32')}\n"
        "    print([list(each.shape) for each in session.run(None, inputs)])\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "mine.onnx")], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[[1, 1], [1, 1]]", "[[3, 1], [3, 1]]", "[[17, 1], [17, 1]]"], done.stderr


def test_a_model_that_deviates_is_refused_and_not_left(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(module: nn.Module, examples: Any, path: Path) -> Any:
        run = formats.to_torch(module, examples, path)
        return lambda inputs: [value + 1 for value in run(inputs)]

    monkeypatch.setitem(formats.FORMATS, "torch", (wrong, "model.pt2"))
    with pytest.raises(UserError, match=r"deviates from PyTorch's by 1, more than 0\.0001"):
        export_model(find_source(None), "torch")
    assert not list((study.path / "export").iterdir())


def test_a_batch_that_was_fixed_is_noticed() -> None:
    module, examples = nn.Linear(1, 1), {"input": torch.zeros(4, 1)}
    with torch.no_grad():
        fixed = module(**examples).numpy()
    with pytest.raises(UserError, match=r"shape \(4, 1\) where PyTorch's gives \(1, 1\)"):
        largest_deviation(module, lambda inputs: [fixed], examples)


def test_mistakes_are_a_sentence(study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = tmp_path / "stray.pt"
    stray.write_bytes(b"")
    with pytest.raises(UserError, match="in no study's or training's folder"):
        find_source(str(stray))
    source = find_source("line-1")
    with pytest.raises(UserError, match="does not fit trial 0 of line-1"):
        replace(source, trial=replace(source.trial, config={"width": 8})).model()
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnx, onnxscript, onnxruntime: pip install 'raise-hpo\[export\]'"):
        export_model(source, "onnx")


def test_a_trainable_that_does_not_say_how_it_is_used_is_told_so(studies: Path) -> None:
    ran(studies, "tests.toys:Line")
    with pytest.raises(UserError, match=r"Line has no method inference"):
        export_model(find_source("line-1"), "torch")


def test_a_model_that_counts_its_rows_has_a_free_batch_too(tmp_path: Path) -> None:
    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, torch.ones(len(x), 1)], dim=1)

    examples = {"x": torch.arange(6.0).reshape(3, 2)}
    run = formats.to_torch(Counts(), examples, tmp_path / "model.pt2")
    assert largest_deviation(Counts(), run, examples) == 0.0


def test_a_model_of_fixed_batches_is_refused_in_a_sentence(tmp_path: Path) -> None:
    class Fixed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.ones(3, 1)

    with pytest.raises(UserError, match="cannot export this model with a free batch dimension") as error:
        formats.to_torch(Fixed(), {"x": torch.zeros(3, 1)}, tmp_path / "model.pt2")
    assert "\n" not in str(error.value)
