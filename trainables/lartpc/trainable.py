"""The LArTPC classifier as raise-hpo tunes it: build, train an epoch, validate."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from plotly.graph_objects import Figure
from torch import nn

import raise_hpo
from raise_hpo.trial.sections import read_settings
from raise_hpo.trial.widen import layers_of, widened
from trainables.epoch_sums import Reported, zeros
from trainables.event_files import check_enough

from .augment import mirrored
from .data import as_batch, check_data, datasets
from .figures import figures
from .loss import cross_entropy
from .metrics import class_metrics, confusion
from .net import LArTPCNet
from .particles import CLASS_NAMES
from .settings import Settings


class LArTPC(raise_hpo.Trainable):
    """Which of gamma, e+-, mu+-, pi+- and K+- made the images of a liquid-argon chamber.

    The configuration is that of `Settings`. The study's ``data`` section names the event files ``train`` and ``valid``
    and how many events of each to use, ``max_events``; without it, the packaged sample is used.
    """

    defaults: ClassVar[Mapping[str, Any]] = Settings().model_dump()

    @classmethod
    def check_data(cls, data: Mapping[str, Any]) -> None:
        """Check the event files that a study names before anything is started.

        Raises:
            UserError: A file is missing or is not whole, or the section has a mistake.
        """
        check_data(data)

    def build(self, config: Mapping[str, Any]) -> None:
        """Make network and optimizer.

        Raises:
            UserError: The configuration or the study's data cannot be used.
        """
        settings = read_settings(Settings, config, "lartpc")
        self.batch_size, self.augment = settings.batch_size, settings.augment
        self.train_events, self.valid_events = datasets(self.data, settings.planes, self.place.cache)
        check_enough(len(self.train_events), "events", self.world_size)
        self.model = self.distribute(LArTPCNet(settings, self.train_events.shape[1:]))
        weights, decay = self.model.parameters(), settings.weight_decay
        self.optimizer = torch.optim.AdamW(weights, lr=settings.lr, weight_decay=decay)

    def train_epoch(self) -> Reported:
        """One optimizer step per batch; mean loss and accuracy over the epoch's events, as each was trained on."""
        total = zeros(2, device=self.device)
        for events in self.shard(self.train_events, self.batch_size, collate=as_batch):
            logits = self.model(mirrored(events.images) if self.augment else events.images)
            loss = cross_entropy(logits, events.labels)
            self.step(loss)
            right = (logits.argmax(1) == events.labels).sum()
            total += torch.stack([loss.detach().double() * len(events), right.double()])
        loss_sum, right_sum = total.tolist()
        return {"train_loss": (loss_sum, self.samples_seen), "train_accuracy": (right_sum, self.samples_seen)}

    def validate(self) -> Reported:
        """The mean loss over the validation events, and the metrics of `class_metrics`."""
        total = zeros(device=self.device)
        counts = zeros(len(CLASS_NAMES), len(CLASS_NAMES), device=self.device)
        for events in self.shard(self.valid_events, self.batch_size, shuffle=False, collate=as_batch):
            logits = self.model(events.images)
            total += cross_entropy(logits, events.labels).double() * len(events)
            counts += confusion(logits, events.labels)
        return {"val_loss": (float(total), self.samples_seen), **class_metrics(counts)}

    @torch.no_grad()
    def figures(self) -> dict[str, Figure]:
        """Confusion matrix, efficiency by momentum and some events, of all validation events."""
        network = self._network().eval()
        return figures(self.valid_events, lambda images: network(images.to(self.device)), self.batch_size)

    def inference(self) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """The classifier, from ADC counts to probabilities, and images of two validation events.

        Images are whole, ``(events, planes, ticks, wires)``, as `readout.dense` makes them of an event file's columns.
        """
        classifier = Classifier(copy.deepcopy(self._network()).cpu()).eval()
        two = range(min(2, len(self.valid_events)))
        return classifier, {"images": self.valid_events.__getitems__(two).images}

    def grown(self, network: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A network of larger `Settings.width` or `Settings.dense` that computes what the narrower one did."""
        wider = self.bare(getattr(self, network))
        return widened(state, wider, layers_of(wider.layers, "layers"), self.place.seed)

    def _network(self) -> LArTPCNet:
        wrapped = self.bare(self.model)
        assert isinstance(wrapped, LArTPCNet)
        return wrapped


class Classifier(nn.Module):
    """From ADC counts ``(events, planes, ticks, wires)`` to probabilities ``(events, 5)``, ordered as `CLASS_NAMES`."""

    def __init__(self, network: LArTPCNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The probability of each class."""
        return self.network(images).softmax(1)
