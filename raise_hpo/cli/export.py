"""``raise-hpo export``: take a trained model out."""

from __future__ import annotations

from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What a model can be exported to."""

    onnx = "onnx"
    torch = "torch"
    mlflow = "mlflow"


def export(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A study, a training, or a checkpoint's file; the best of the most recent study if not given."
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="ONNX, torch.export, or an MLflow model.")] = Format.onnx,
    out: Annotated[Path | None, typer.Option(help="Where to; export/ in the study's folder if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Export a trained model with its preprocessing, checked against PyTorch on real inputs."""
    from raise_hpo.export.export import export_model
    from raise_hpo.export.source import find_source

    told = export_model(find_source(source), format_.value, out)
    if json:
        print(dumps(told))
        return
    print(
        f"{told['path']}: {told['study']} trial {told['trial']} after epoch {told['epoch']}, inputs "
        f"{', '.join(told['inputs'])}, outputs {', '.join(told['outputs'])}; deviates from PyTorch by at most "
        f"{told['largest_deviation']:.2g} of an output's size (tolerance {told['tolerance']:g})"
    )
