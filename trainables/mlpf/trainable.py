"""MLPF as raise-hpo tunes it: build, train an epoch, validate."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from plotly.graph_objects import Figure
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR

import raise_hpo
from raise_hpo.trial.sections import read_settings
from trainables.epoch_sums import Reported, mean_losses, zeros
from trainables.event_files import check_enough

from .data import Events, check_data, classes, datasets, events_of
from .figures import figures
from .loss import Losses, class_weights, losses
from .metrics import MOMENTS, class_metrics, confusion, event_metrics, event_moments, event_sums
from .net import MLPFNet, ParticleFlow, Prediction
from .schema import CLASS_NAMES
from .settings import Settings

DECAY_RATE = 0.99
"""What the learning rate is multiplied with in ``expdecay_decay_steps`` optimizer steps, as published."""
_DRAWN = 500
"""Validation events that figures are drawn of, at most."""
_EXAMPLES = 8
"""Validation events of which the largest is the example of an export."""


class MLPF(raise_hpo.Trainable):
    """Machine-learned particle flow: tracks and calorimeter towers in, particle candidates out.

    The configuration is that of `Settings`. The study's ``data`` section names the event files ``train`` and ``valid``
    and how many events of each to use, ``max_events``; without it, the packaged sample is used.
    """

    defaults: ClassVar[Mapping[str, Any]] = Settings().model_dump()

    @classmethod
    def check_data(cls, data: Mapping[str, Any]) -> None:
        """Check the event files that a study names before anything is started.

        Raises:
            UserError: a file is missing or is not whole, or the section has a mistake.
        """
        check_data(data)

    def build(self, config: Mapping[str, Any]) -> None:
        """Make network, optimizer and learning-rate schedule.

        Raises:
            UserError: the configuration or the study's data cannot be used.
        """
        settings = read_settings(Settings, config, "mlpf")
        self.batch_size = settings.batch_size
        self.train_events, self.valid_events = datasets(self.data, self.place.cache)
        check_enough(len(self.train_events), "events", self.world_size)
        self.class_weights = class_weights(classes(self.train_events)).to(self.device)
        self.model = self.distribute(MLPFNet(settings))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.lr)
        self.lr_schedule = ExponentialLR(self.optimizer, DECAY_RATE ** (1 / settings.expdecay_decay_steps))

    def train_epoch(self) -> Reported:
        """One optimizer step per batch; the mean losses over the epoch's events."""
        total = zeros(len(Losses._fields), device=self.device)
        for batch in self.shard(self.train_events, self.batch_size):
            events = events_of(batch)
            _, loss = self._predict(events)
            self.step(loss.total)
            self.lr_schedule.step()
            total += torch.stack(loss).detach() * len(events.sizes)
        return mean_losses("train", Losses._fields, total, self.samples_seen)

    def validate(self) -> Reported:
        """The mean losses over the validation events, and the metrics of `class_metrics` and `event_metrics`."""
        total, moments = (zeros(count, device=self.device) for count in (len(Losses._fields), MOMENTS))
        counts = zeros(len(CLASS_NAMES), len(CLASS_NAMES), device=self.device)
        for batch in self.shard(self.valid_events, self.batch_size, shuffle=False):
            events = events_of(batch)
            prediction, loss = self._predict(events)
            total += torch.stack(loss) * len(events.sizes)
            counts += confusion(prediction, events.y)
            moments += event_moments(event_sums(prediction, events.y, events.sizes))
        # A deviation is no ratio of sums, so that the workers' moments are added here and not by the framework.
        moments = self.sum_over_workers(moments)
        means = mean_losses("val", Losses._fields, total, self.samples_seen)
        return {**means, **class_metrics(counts), **event_metrics(moments)}

    @torch.no_grad()
    def figures(self) -> dict[str, Figure]:
        """Confusion, efficiency, fake rate and response of particles, and sums of events: the first validation ones."""
        network, events = self.bare(self.model).eval(), events_of(self.valid_events.head(_DRAWN))
        batches = events.batches(self.batch_size)
        parts = [network(batch.x.to(self.device), batch.sizes.to(self.device)) for batch in batches]
        return figures(Prediction(*(torch.cat(same).cpu() for same in zip(*parts, strict=True))), events)

    def inference(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """The network as a reconstruction of single events: elements in, candidates out (`ParticleFlow`).

        The free dimension is that of the elements. The example is the largest of the first validation events.
        """
        first = events_of(self.valid_events.head(_EXAMPLES))
        largest = max(first.x.split(first.sizes.tolist()), key=len)
        return ParticleFlow(copy.deepcopy(self.bare(self.model)).cpu()).eval(), {"x": largest}

    def _predict(self, events: Events) -> tuple[Prediction, Losses]:
        prediction = self.model(events.x, events.sizes)
        return prediction, losses(prediction, events.y, events.sizes, self.class_weights)
