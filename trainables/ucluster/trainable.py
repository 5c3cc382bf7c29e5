"""UCluster as raise-hpo tunes it: build, train an epoch, validate, plot, hand out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

import raise_hpo
from raise_hpo.data import rows_of
from raise_hpo.trial.sections import read_settings
from trainables.epoch_sums import Reported, mean_losses, zeros
from trainables.event_files import check_enough

from . import data as files
from .kmeans import kmeans
from .loss import Losses, losses
from .metrics import anomaly_metrics, cluster_metrics, contingency
from .net import Assigner, Output, UClusterNet
from .schema import LABELS
from .settings import Settings

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Batch = Mapping[str, Tensor]

_SEEDING_ROWS = 4096
"""Rows whose encodings k-means sets the centroids by, on the worker that does."""
_EXAMPLES = 2


class UCluster(raise_hpo.Trainable):
    """Unsupervised clustering of jets: constituents in, an encoding and the nearest of a few clusters out.

    The configuration is that of `Settings`. The study's ``data`` section names the event files ``train`` and ``valid``
    and how many rows of each to use, ``max_events``; without it, the packaged sample is used.
    """

    defaults: ClassVar[Mapping[str, Any]] = Settings().model_dump()

    @classmethod
    def check_data(cls, data: Mapping[str, Any]) -> None:
        """Check the event files that a study names before anything is started.

        Raises:
            UserError: a file is missing or is not whole, or the section has a mistake.
        """
        files.check_data(data)

    def build(self, config: Mapping[str, Any]) -> None:
        """Make network, optimizer and learning-rate schedule.

        Raises:
            UserError: the configuration or the study's data cannot be used.
        """
        settings = self.settings = read_settings(Settings, config, "ucluster")
        self.anomaly = settings.task == "anomaly"
        columns = files.EVENTS if self.anomaly else files.JETS
        train, valid = (rows_of(self.data, source, columns, self.place.cache) for source in files.sources(self.data))
        self.train_rows, self.valid_rows = train, valid
        check_enough(len(train), "rows", self.world_size, each=2)
        self.model = self.distribute(UClusterNet(settings))
        self.optimizer = self._make_optimizer()
        self.lr_schedule = LambdaLR(self.optimizer, self._lr_factor)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        settings, parameters = self.settings, self.model.parameters()
        if settings.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=settings.learning_rate, weight_decay=settings.wd)
        return torch.optim.SGD(
            parameters, lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.wd
        )

    def _lr_factor(self, epoch: int) -> float:
        settings = self.settings
        least = min(settings.min_learning_rate / settings.learning_rate, 1.0)
        return max(settings.decay_rate ** (epoch // settings.decay_step), least)

    @property
    def net(self) -> UClusterNet:
        """The network itself, without the wrapper that keeps several workers' gradients equal."""
        return self.bare(self.model)

    def train_epoch(self) -> Reported:
        """One optimizer step per batch; the mean losses over the epoch's rows.

        While pretraining, the epoch ends with the centroids where k-means puts them.
        """
        total, kept = zeros(len(Losses._fields), device=self.device), []
        pretraining = self.epoch < self.settings.epochs_pretrain
        for batch in self.shard(self.train_rows, self.settings.batch_size):
            loss = self._losses(self.model(*self._inputs(batch)), batch)
            self.step(loss.total)
            total += torch.stack(loss).detach() * len(batch["label"])
            if pretraining and sum(len(inputs[0]) for inputs in kept) < _SEEDING_ROWS:
                kept.append(self._inputs(batch))
        self.lr_schedule.step()
        self._average_buffers()
        if pretraining:
            self._place_centroids(kept)
        return mean_losses("train", Losses._fields, total, self.samples_seen)

    def _average_buffers(self) -> None:
        """Give all workers the same running statistics, as each has made them of its own batches."""
        for buffer in self.net.buffers():
            buffer.copy_(self.sum_over_workers(buffer) / self.world_size)

    @torch.no_grad()
    def _place_centroids(self, kept: list[tuple[Tensor, ...]]) -> None:
        """Put the centroids where k-means finds them in the encodings of the first worker's rows."""
        self.net.eval()
        encodings = torch.cat([self.net(*inputs).encoding for inputs in kept])[:_SEEDING_ROWS]
        found = kmeans(encodings, self.settings.n_clusters, self.place.seed).to(self.device)
        self.net.train()
        self.net.centroids.copy_(self.sum_over_workers(found if self.rank == 0 else torch.zeros_like(found)))

    def validate(self) -> Reported:
        """The mean losses over the validation rows, and how well the clusters match the labels."""
        total = zeros(len(Losses._fields), device=self.device)
        table = zeros(self.settings.n_clusters, len(LABELS), device=self.device)
        for batch in self.shard(self.valid_rows, self.settings.batch_size, shuffle=False):
            output = self.net(*self._inputs(batch))
            total += torch.stack(self._losses(output, batch)) * len(batch["label"])
            table += contingency(output.distances.argmin(1), batch["label"], self.settings.n_clusters)
        # An accuracy of matched clusters is no ratio of sums, so that the workers' tables are added here.
        counts = self.sum_over_workers(table).cpu().numpy()
        means = mean_losses("val", Losses._fields, total, self.samples_seen)
        return {**means, **(anomaly_metrics if self.anomaly else cluster_metrics)(counts)}

    def figures(self) -> dict[str, Figure]:
        """Plots of the clusters in mass and in the latent space, from the first validation rows."""
        from .plots import figures

        batch = self._first_rows(2000)
        return figures(self._output(batch), batch, self.settings)

    def inference(self) -> tuple[torch.nn.Module, dict[str, Tensor]]:
        """The network that assigns clusters, in evaluation mode, and a few validation rows as its inputs."""
        examples = {"points": self.valid_rows.head(_EXAMPLES)["points"]}
        if self.anomaly:
            examples["global_features"] = self.valid_rows.head(_EXAMPLES)["globals"]
        return Assigner(self.net).eval(), examples

    def _first_rows(self, count: int) -> dict[str, Tensor]:
        return {name: column.to(self.device) for name, column in self.valid_rows.head(count).items()}

    @torch.no_grad()
    def _output(self, batch: Batch) -> Output:
        self.net.eval()
        return self.net(*self._inputs(batch))

    def _inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return (batch["points"], batch["globals"]) if self.anomaly else (batch["points"],)

    def _losses(self, output: Output, batch: Batch) -> Losses:
        category = batch["point_cat"][:, : self.settings.num_point] if self.anomaly else batch["mass_cat"]
        return losses(output, category, self.epoch, self.settings)
