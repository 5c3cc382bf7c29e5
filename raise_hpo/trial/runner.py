"""One worker's side of a trial, without Ray: seed, build, train and validate epochs, save and load."""

from __future__ import annotations

import io
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from raise_hpo.trial.meter import Meter
from raise_hpo.trial.metrics import reduce_metrics
from raise_hpo.trial.model_cost import ForwardClock, count_parameters
from raise_hpo.trial.state import inherit_state, load_state, state_of
from raise_hpo.trial.trainable import Metrics, Place, Trainable

LR_SCALING: dict[str, Callable[[int], float]] = {
    "off": lambda workers: 1.0,
    "linear": float,
    "sqrt": math.sqrt,
}


class TrialRunner:
    """Trains one configuration of a trainable, epoch by epoch, as one of the trial's workers.

    Works alone in a notebook (``TrialRunner(MyTrainable, config).epoch()``) and inside a worker group.

    Args:
        trainable: The author's class.
        config: The nested configuration; the class's defaults are not added here.
        place: Rank, device, seed and data; one worker on the CPU if not given.
        lr_scaling: How the learning rate grows with the number of workers: ``off``, ``linear`` or ``sqrt``.
    """

    def __init__(
        self, trainable: type[Trainable], config: Mapping[str, Any], place: Place | None = None, lr_scaling: str = "off"
    ) -> None:
        self.place = place or Place()
        seed_everything(self.place.seed)
        self.trainable = trainable(self.place)
        self.trainable.build(config)
        self._lr_factor = LR_SCALING[lr_scaling]
        scale_learning_rate(self.trainable, self._lr_factor(self.place.world_size))

    def epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and return the metrics of all workers together.

        Besides the author's metrics: ``seconds`` of the epoch, ``samples_per_second`` of training over all workers,
        and, where the hardware tells, ``gpu_busy`` (0-1) and ``energy_joule``; unless the author reports metrics of
        these names, ``parameters`` of the model and ``inference_seconds``, a forward pass's time per sample of the
        validation on one worker, if any of its modules is called there.
        """
        # Seeded from the epoch, so that a trial resumed elsewhere draws the numbers it would have drawn.
        seed_everything(self.place.seed, self.trainable.epoch, self.place.rank)
        with Meter(self.place.device) as meter, self.trainable.autocast():
            trained = self._phase(self.trainable.train_epoch, training=True)
            seconds_training = max(time.perf_counter() - meter.started, 1e-9)
            samples = self.trainable.sum_over_workers(
                torch.tensor(float(self.trainable.samples_seen), device=self.place.device)
            )
            with torch.no_grad():
                validated = self._phase(self._validate, training=False)
        self.trainable.epoch += 1
        size = {"parameters": float(count_parameters(self.trainable))}
        measured = {"samples_per_second": float(samples) / seconds_training, **meter.readings}
        return {**size, **trained, **validated, **measured}

    def _validate(self) -> Metrics:
        with ForwardClock(self.trainable) as clock:
            reported = self.trainable.validate() or {}
        return {"inference_seconds": clock.reading(), **reported}

    def _phase(self, method: Any, training: bool) -> dict[str, float]:
        self._set_training(training)
        self.trainable.samples_seen = 0
        return reduce_metrics(method() or {}, self.trainable)

    def _set_training(self, training: bool) -> None:
        for value in vars(self.trainable).values():
            if isinstance(value, torch.nn.Module):
                value.train(training)

    def figures(self) -> dict[str, Any]:
        """What the trainable draws of its model: Plotly figures as plain data, by title."""
        self._set_training(False)
        with torch.no_grad(), self.trainable.autocast():
            return {title: json.loads(figure.to_json()) for title, figure in self.trainable.figures().items()}

    def save(self) -> bytes:
        """The trial's state as bytes that `load` and ``torch.load(weights_only=True)`` understand."""
        buffer = io.BytesIO()
        torch.save(state_of(self.trainable), buffer)
        return buffer.getvalue()

    def load(self, raw: bytes) -> None:
        """Go on from a state that `save` made, with any number of workers.

        Where the learning rate grows with the workers, it is brought from their number then to their number now.
        """
        state = self._read(raw)
        load_state(self.trainable, state)
        now = self.place.world_size
        scale_learning_rate(self.trainable, self._lr_factor(now) / self._lr_factor(state.get("workers", now)))

    def inherit(self, raw: bytes, mate: bytes | None = None, mutation: float = 0.0) -> None:
        """Start from the state of another configuration: weights and moments are taken on, settings are not.

        Args:
            raw: The state, as `save` made it.
            mate: A second one, from which a part of the weights is taken.
            mutation: How much noise the weights get, as a share of a layer's root mean square.

        Raises:
            TrialFailure: A state does not fit this configuration's model.
        """
        inherit_state(self.trainable, self._read(raw), self._read(mate) if mate else None, mutation)

    def _read(self, raw: bytes) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(io.BytesIO(raw), map_location=self.place.device, weights_only=True)
        return state


def seed_everything(*numbers: int) -> None:
    """Seed Python, NumPy and torch from a tuple of whole numbers."""
    seed = int(np.random.SeedSequence([abs(number) for number in numbers]).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def scale_learning_rate(trainable: Trainable, factor: float) -> None:
    """Multiply the learning rates of a trainable's optimizers, and what its schedules make them from."""
    if factor == 1.0:
        return
    for value in vars(trainable).values():
        if isinstance(value, torch.optim.Optimizer):
            for group in value.param_groups:
                _scale(group, ("lr", "initial_lr"), factor)
        elif isinstance(value, torch.optim.lr_scheduler.LRScheduler):
            _scale_schedule(value, factor)


def _scale_schedule(schedule: torch.optim.lr_scheduler.LRScheduler, factor: float) -> None:
    """One that is made of several has its rates in those."""
    _scale(vars(schedule), ("base_lrs", "_last_lr"), factor)
    for part in getattr(schedule, "_schedulers", ()):
        _scale_schedule(part, factor)


def _scale(numbers: dict[str, Any], names: tuple[str, ...], factor: float) -> None:
    for name in names:
        if isinstance(numbers.get(name), list):
            numbers[name] = [number * factor for number in numbers[name]]
        elif name in numbers:
            numbers[name] = numbers[name] * factor
