"""The hyperparameters of 3DGAN: what each acts on, its default, and what values are possible."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """A configuration of 3DGAN; the defaults are those of a small network (README.md tells how they were chosen).

    Attributes:
        generator_lr: RMSprop's learning rate for the generator.
        discriminator_lr: The same for the discriminator.
        warmup_epochs: Epochs in which the learning rate rises from that of one worker to that of all; with one
            worker, it does nothing.
        batch_size: Showers a step and worker; of all workers together where the study says ``batch: joint``.
        generator_steps: Steps of the generator after each pair of steps of the discriminator.
        width: Factor on the number of channels of every layer; 1 is the published network.
        latent_size: Numbers that a shower is made from; where the angle varies, energy and angle are two of them.
        dropout: Share of units dropped in the discriminator.
        label_flip: Share of the discriminator's labels that are turned around.
        generation_weight: Weight of the loss of real against generated.
        energy_weight: Weight of the loss of the primary energy, as the discriminator finds it; in per cent.
        sum_weight: Weight of the loss of the energy summed over all cells; in per cent.
        angle_weight: Weight of the loss of the measured angle, in rad; where the angle varies.
        scale: What cell energies in GeV are multiplied with.
        power: What they are then raised to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    generator_lr: float = Field(default=1e-3, gt=0)
    discriminator_lr: float = Field(default=1e-3, gt=0)
    warmup_epochs: int = Field(default=5, ge=0)
    batch_size: int = Field(default=16, ge=1)
    generator_steps: int = Field(default=2, ge=1)
    width: float = Field(default=0.125, gt=0, le=4)
    latent_size: int = Field(default=200, ge=3)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    label_flip: float = Field(default=0.05, ge=0, lt=0.5)
    generation_weight: float = Field(default=2.0, gt=0)
    energy_weight: float = Field(default=0.1, ge=0)
    sum_weight: float = Field(default=0.1, ge=0)
    angle_weight: float = Field(default=25.0, ge=0)
    scale: float = Field(default=100.0, gt=0)
    power: float = Field(default=1.0, gt=0, le=1)


PUBLISHED: dict[str, dict[str, Any]] = {
    "fixed angle": {"width": 1.0, "batch_size": 128},
    "variable angle": {"width": 1.0, "batch_size": 64, "generation_weight": 3.0, "scale": 50.0, "power": 0.85},
}
"""What the published trainings set otherwise: of 25x25x25 cells, and of 51x51x25 cells with an angle."""
