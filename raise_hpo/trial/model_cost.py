"""What a trainable's model costs to use: its number of parameters, and the seconds of a forward pass."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any

import torch
from torch import nn

from raise_hpo.trial.trainable import Trainable


def _models(trainable: Trainable) -> list[nn.Module]:
    """The trainable's own modules that have parameters; losses and the like have none."""
    modules = [value for value in vars(trainable).values() if isinstance(value, nn.Module)]
    return [module for module in modules if next(module.parameters(), None) is not None]


def count_parameters(trainable: Trainable) -> int:
    """The trainable parameters of all its modules, each counted once."""
    found = {
        id(each): each.numel() for model in _models(trainable) for each in model.parameters() if each.requires_grad
    }
    return sum(found.values())


class ForwardClock:
    """A context that times the forward passes of a trainable's modules inside it.

    Where one of them calls another only the outer one counts. Passes on a GPU are timed by events on its own clock, so
    that nothing has to wait for them.
    """

    def __init__(self, trainable: Trainable) -> None:
        self._trainable = trainable
        self._on_gpu = trainable.device.type == "cuda"
        self._depth = 0
        self._began: Any = None
        self._passes: list[tuple[Any, Any]] = []
        self._rows: Counter[nn.Module] = Counter()

    def __enter__(self) -> ForwardClock:
        self._hooks = [
            hook
            for model in _models(self._trainable)
            for hook in (
                model.register_forward_pre_hook(self._begin),
                model.register_forward_hook(self._end, always_call=True),
            )
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def reading(self) -> tuple[float, float]:
        """Seconds and samples, to be summed over workers and divided; zeros where there was no pass to time.

        Samples are those that came through the trainable's `shard`, else the rows of the modules' first arguments.
        """
        if not self._passes:
            return 0.0, 0.0
        return self._seconds(), float(self._trainable.samples_seen or max(self._rows.values(), default=0))

    def _seconds(self) -> float:
        if not self._on_gpu:
            return float(sum(ended - began for began, ended in self._passes))
        torch.cuda.synchronize(self._trainable.device)
        return float(sum(began.elapsed_time(ended) for began, ended in self._passes)) / 1e3

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._trainable.device))
        return event

    def _begin(self, model: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._depth += 1
        if self._depth == 1:
            if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].dim():
                self._rows[model] += len(inputs[0])
            self._began = self._now()

    def _end(self, model: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._passes.append((self._began, self._now()))
