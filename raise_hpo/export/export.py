"""Exports a model: write it aside, check it, put it in place, and say beside it what it is."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from raise_hpo.decide import versions
from raise_hpo.errors import UserError
from raise_hpo.export.check import TOLERANCE, largest_deviation, outputs_of
from raise_hpo.export.formats import FORMATS
from raise_hpo.export.source import Source


def export_model(source: Source, kind: str, out: Path | None = None) -> dict[str, Any]:
    """Export a trained model; what was exported, as in the JSON file beside it.

    Args:
        source: The trained model.
        kind: One of `FORMATS`.
        out: Where to; ``export/`` in the source's folder if None. It is there only once it is checked.

    Raises:
        UserError: The model cannot be exported, or what was exported deviates from it.
    """
    write, default = FORMATS[kind]
    out = out or source.folder.path / "export" / default
    if out.is_dir() and (kind != "mlflow" or (any(out.iterdir()) and not (out / "MLmodel").is_file())):
        raise UserError(f"--out {out}: is a folder, give a path for {default}")
    module, examples = source.model()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as aside:
        draft = Path(aside) / out.name
        deviation = largest_deviation(module, write(module, examples, draft), examples)
        with torch.no_grad():
            outputs = outputs_of(module(**examples))
        epoch = int(torch.load(source.checkpoint, map_location="cpu", weights_only=True)["epoch"])
        told = {
            "format": kind, "path": str(out.resolve()), "study": source.folder.name, "trial": source.trial.number,
            "epoch": epoch, "config": dict(source.trial.config),
            "checkpoint": str(source.checkpoint.resolve()), "inputs": _shapes(list(examples.items())),
            "outputs": _shapes(outputs), "largest_deviation": deviation, "tolerance": TOLERANCE,
            "sha256": _checksums(draft), "versions": versions(),
        }  # fmt: skip
        if out.is_dir():
            shutil.rmtree(out)
        for made in sorted(Path(aside).iterdir()):
            os.replace(made, out.parent / made.name)
    beside(out).write_text(json.dumps(told, indent=2) + "\n")
    return told


def beside(out: Path) -> Path:
    """The JSON file that says what an exported model is."""
    return out.with_name(f"{out.name}.json")


def _shapes(tensors: Sequence[tuple[str, torch.Tensor]]) -> dict[str, Any]:
    return {
        name: {"shape": ["batch", *each.shape[1:]], "type": str(each.dtype).removeprefix("torch.")}
        for name, each in tensors
    }


def _checksums(path: Path) -> dict[str, str]:
    """The SHA-256 of each file."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path.parent)): sha256(each.read_bytes()).hexdigest() for each in files}
