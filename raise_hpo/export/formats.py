"""The formats: each writes a model to a path and returns how to run what it wrote. Nothing in them is a pickle."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from raise_hpo.errors import UserError
from raise_hpo.export.check import Inputs, Run, outputs_of

_LARGEST_PROTOBUF = 1_900_000_000

_MLFLOW_CODE = '''"""Runs the exported program that lies beside this model."""

import mlflow
import numpy as np
import torch


class Exported(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.model = torch.export.load(context.artifacts["program"]).module()

    def predict(self, context, model_input, params=None):
        inputs = {name: torch.from_numpy(np.asarray(value)) for name, value in dict(model_input).items()}
        with torch.no_grad():
            found = self.model(**inputs)
        if isinstance(found, torch.Tensor):
            return {"output": found.numpy()}
        if isinstance(found, dict):
            return {name: value.numpy() for name, value in found.items()}
        names = getattr(found, "_fields", [f"output_{place}" for place in range(len(found))])
        return {name: value.numpy() for name, value in zip(names, found)}


mlflow.models.set_model(Exported())
'''


def to_torch(module: nn.Module, examples: Inputs, path: Path) -> Run:
    """A program of `torch.export` (``.pt2``)."""
    torch.export.save(_program(module, examples), path)
    return _run_program(path)


def to_onnx(module: nn.Module, examples: Inputs, path: Path) -> Run:
    """ONNX, from the exported program; run by ONNX Runtime on the CPU.

    Raises:
        UserError: A package that this needs is not installed.
    """
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]:
        raise UserError(f"--format onnx needs {', '.join(missing)}: pip install 'raise-hpo[export]'")
    import onnxruntime

    with torch.no_grad():
        names = [name for name, _ in outputs_of(module(**examples))]
    size = sum(each.numel() * each.element_size() for each in module.state_dict().values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _program(module, examples), (), str(path), kwargs=dict(examples), input_names=list(examples),
            output_names=names, dynamo=True, verbose=False, external_data=size > _LARGEST_PROTOBUF,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}

    def run(inputs: Inputs) -> list[Any]:
        return list(session.run(None, {name: value.numpy() for name, value in inputs.items() if name in wanted}))

    return run


def to_mlflow(module: nn.Module, examples: Inputs, path: Path) -> Run:
    """A folder in MLflow's format: the exported program, the code that runs it, and the signature."""
    import tempfile

    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    with torch.no_grad():
        outputs = outputs_of(module(**examples))

    def schema(tensors: list[tuple[str, torch.Tensor]]) -> Any:
        return Schema([TensorSpec(each.numpy().dtype, (-1, *each.shape[1:]), name) for name, each in tensors])

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program, code = Path(folder) / "model.pt2", Path(folder) / "exported_model.py"
        torch.export.save(_program(module, examples), program)
        code.write_text(_MLFLOW_CODE)
        mlflow.pyfunc.save_model(
            str(path), python_model=str(code), artifacts={"program": str(program)},
            signature=ModelSignature(schema(list(examples.items())), schema(outputs)),
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"torch=={torch.__version__.split('+')[0]}", "numpy"],
        )  # fmt: skip
        loaded = mlflow.pyfunc.load_model(str(path))

    def run(inputs: Inputs) -> list[Any]:
        found = loaded.predict({name: value.numpy() for name, value in inputs.items()})
        return [found[name] for name, _ in outputs]

    return run


def _program(module: nn.Module, examples: Inputs) -> torch.export.ExportedProgram:
    """The module as a program whose batch dimension is free; inputs of as many rows share it.

    Raises:
        UserError: The model cannot be exported so; torch's first line says why.
    """
    sizes = {len(value) for value in examples.values()}
    if min(sizes) < 2:
        raise UserError(
            "inference() gives an example of fewer than two rows; the batch dimension cannot be told from it"
        )
    dims = {size: torch.export.Dim(f"batch{place or ''}") for place, size in enumerate(sorted(sizes))}
    shapes = {name: {0: dims[len(value)]} for name, value in examples.items()}
    # Tracing alone takes what len(x) gives for a constant; the strict way reads the code, which not all models bear.
    failures = []
    for strict in (False, True):
        try:
            with torch.no_grad():
                return torch.export.export(module, (), kwargs=dict(examples), dynamic_shapes=shapes, strict=strict)
        except Exception as error:
            failures.append(error)
    lines = (str(failures[0]).strip() or type(failures[0]).__name__).splitlines()
    why = " ".join(line.strip(" -") for line in lines[:2])
    raise UserError(
        f"torch.export cannot export this model with a free batch dimension (use x.shape[0], not len(x)): {why}"
    ) from failures[0]


def _run_program(path: Path) -> Run:
    model = torch.export.load(path).module()

    def run(inputs: Inputs) -> list[Any]:
        with torch.no_grad():
            return [value.numpy() for _, value in outputs_of(model(**inputs))]

    return run


FORMATS: dict[str, tuple[Callable[[nn.Module, Inputs, Path], Run], str]] = {
    "onnx": (to_onnx, "model.onnx"),
    "torch": (to_torch, "model.pt2"),
    "mlflow": (to_mlflow, "mlflow"),
}
"""Each format's writer, and the name of what it writes where none is given."""
