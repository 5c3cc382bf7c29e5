"""3DGAN as raise-hpo tunes it: build, train an epoch, validate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import plotly.graph_objects as go
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

import raise_hpo
from raise_hpo.trial.sections import read_settings
from raise_hpo.trial.widen import widened
from trainables.epoch_sums import Reported, mean_losses, zeros
from trainables.event_files import check_enough

from . import plots
from .data import check_data, open_showers, read_weights, start_from
from .loss import ENERGY_UNIT, Losses, Truth, cells_of, image_of, losses
from .net import ARCHITECTURES, Discriminator, Generator
from .physics import BINS, count_of, physics_metrics, sums
from .settings import Settings

Batch = dict[str, Tensor]

_RMSPROP = {"alpha": 0.9, "eps": 1e-7}
"""As in Keras."""
_NOISE_SEED = 20190924
"""Validation showers are made from the same random numbers after every epoch."""


class CaloGAN(raise_hpo.Trainable):
    """Showers in a calorimeter by a generative adversarial network.

    The configuration is that of `Settings`. The study's ``data`` section names the event files ``train`` and ``valid``
    and how many showers of each to use, ``max_events``; without it, the packaged sample is used. ``weights`` names a
    checkpoint whose networks the training starts from.
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
        """Make both networks, their optimizers and learning-rate schedules.

        Raises:
            UserError: the configuration or the study's data cannot be used.
        """
        self.settings = read_settings(Settings, config, "calogan")
        shape, self.train_showers, self.valid_showers = open_showers(self.data, self.place.cache)
        check_enough(len(self.train_showers), "showers", self.world_size)
        self.architecture = ARCHITECTURES[shape]
        generator = Generator(self.architecture, self.settings.width, self.settings.latent_size)
        discriminator = Discriminator(self.architecture, self.settings.width, self.settings.dropout)
        self._start_from({"generator": generator, "discriminator": discriminator})
        self.generator, self.discriminator = self.distribute(generator), self.distribute(discriminator)
        self.generator_optimizer, self.generator_schedule = self._optimizer(generator, self.settings.generator_lr)
        self.discriminator_optimizer, self.discriminator_schedule = self._optimizer(
            discriminator, self.settings.discriminator_lr
        )

    def _start_from(self, networks: Mapping[str, nn.Module]) -> None:
        if path := self.data.get("weights"):
            weights = read_weights(path)
            for name, network in networks.items():
                start_from(weights, name, network, path)

    def _optimizer(self, network: nn.Module, lr: float) -> tuple[torch.optim.Optimizer, LambdaLR]:
        optimizer = torch.optim.RMSprop(network.parameters(), lr=lr, **_RMSPROP)
        return optimizer, LambdaLR(optimizer, partial(warm_up, self.world_size, self.settings.warmup_epochs))

    def train_epoch(self) -> Reported:
        """Steps of the discriminator on real and on generated showers, then of the generator, for every batch."""
        judged, made = (zeros(len(Losses._fields), device=self.device) for _ in range(2))
        for batch in self.shard(self.train_showers, self.settings.batch_size):
            image, truth = self._prepared(batch)
            showers = len(image)
            judged += 0.5 * showers * self._train_discriminator(image, truth)
            for _ in range(self.settings.generator_steps):
                made += showers / self.settings.generator_steps * self._train_generator(truth)
        self.generator_schedule.step()
        self.discriminator_schedule.step()
        parts, seen = Losses._fields, self.samples_seen
        return mean_losses("discriminator", parts, judged, seen) | mean_losses("generator", parts, made, seen)

    def validate(self) -> Reported:
        """How generated showers compare with the validation showers: `physics_metrics`."""
        return dict(physics_metrics(self.sum_over_workers(self._physics()), self.architecture.shape, self._angle))

    def figures(self) -> dict[str, go.Figure]:
        """Profiles and means by primary energy, of generated showers beside the validation showers."""
        self.generator.eval()
        with torch.no_grad():
            return plots.figures(self._physics(), self.architecture.shape, self._angle)

    def grown(self, network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A network of larger `Settings.width` that computes what the narrower one did."""
        wider = self.bare(getattr(self, network))
        return widened(state, wider, wider.layers, self.place.seed)

    def inference(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """The generator as a simulation: energies in GeV, angles in rad and random numbers in, cells in GeV out."""
        rows = next(iter(self.shard(self.valid_showers, 2, shuffle=False)))
        generator = self.bare(self.generator)
        noise = torch.randn(len(rows["energy"]), generator.noise_size, device=self.device)
        inputs = {"energy": rows["energy"].float(), "theta": rows["theta"].float(), "noise": noise}
        return Simulation(generator, self.settings).eval(), inputs

    @property
    def _angle(self) -> bool:
        return self.architecture.angle

    def _prepared(self, batch: Batch) -> tuple[Tensor, Truth]:
        cells = batch["cells"].float()
        total = self.settings.scale * cells.sum((1, 2, 3))
        return image_of(cells, self.settings), Truth(batch["energy"] / ENERGY_UNIT, batch["theta"], total)

    def _generated(self, generator: nn.Module, truth: Truth, noise: torch.Generator | None = None) -> Tensor:
        size = (len(truth.energy), self.bare(generator).noise_size)
        # Drawn on the CPU, so that the numbers do not depend on the device.
        return generator(truth.energy, truth.theta, torch.randn(size, generator=noise).to(self.device))

    def _train_discriminator(self, image: Tensor, truth: Truth) -> Tensor:
        with torch.no_grad():
            generated = self._generated(self.generator, truth)
        total = zeros(len(Losses._fields), device=self.device)
        for images, real in ((image, 1.0), (generated, 0.0)):
            flipped = torch.rand(len(images), device=self.device) < self.settings.label_flip
            labels = torch.where(flipped, 1 - real, real)
            loss = losses(self.discriminator(images), images, labels, truth, self.settings, self._angle)
            self.step(loss.total, self.discriminator_optimizer)
            total += torch.stack(loss).detach()
        return total

    def _train_generator(self, truth: Truth) -> Tensor:
        # Not the data-parallel discriminator, whose gradients are not wanted here.
        judge = self.bare(self.discriminator).requires_grad_(False)
        generated = self._generated(self.generator, truth)
        labels = torch.ones(len(generated), device=self.device)
        loss = losses(judge(generated), generated, labels, truth, self.settings, self._angle)
        self.step(loss.total, self.generator_optimizer)
        judge.requires_grad_(True)
        return torch.stack(loss).detach()

    def _physics(self) -> Tensor:
        """This worker's sums of `trainables.calogan.physics`."""
        total = zeros(2, BINS, count_of(self.architecture.shape), device=self.device)
        noise = torch.Generator().manual_seed(_NOISE_SEED + self.rank)
        for batch in self.shard(self.valid_showers, self.settings.batch_size, shuffle=False):
            _, truth = self._prepared(batch)
            generated = self._generated(self.bare(self.generator), truth, noise)
            energy = batch["energy"].float()
            made = cells_of(generated.float(), self.settings)
            total += torch.stack([sums(batch["cells"].float(), energy), sums(made, energy)])
        return total


class Simulation(nn.Module):
    """The generator with what comes before and after it."""

    def __init__(self, generator: Generator, settings: Settings) -> None:
        super().__init__()
        self.generator, self.settings = generator, settings

    def forward(self, energy: Tensor, theta: Tensor, noise: Tensor) -> Tensor:
        """Make showers.

        Args:
            energy: ``(batch,)``, of the primary particles in GeV.
            theta: ``(batch,)``, their polar angles in rad.
            noise: ``(batch, noise_size)``, normally distributed.

        Returns:
            ``(batch, x, y, layer)``, cell energies in GeV.
        """
        return cells_of(self.generator(energy / ENERGY_UNIT, theta, noise), self.settings)


def warm_up(workers: int, epochs: int, epoch: int) -> float:
    """The factor on the learning rate in an epoch: from that of one worker to that of all in so many epochs.

    Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, for rates that grow linearly with the workers.
    """
    done = min(1.0, epoch / epochs) if epochs else 1.0
    return 1 / workers + (1 - 1 / workers) * done
