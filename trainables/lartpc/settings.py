"""The hyperparameters of the LArTPC classifier: what each acts on, its default, and what values are possible."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """A configuration of the classifier; by default the talk's network on the collection plane (see README.md).

    Attributes:
        lr: Adam's learning rate.
        batch_size: Events per step and worker; of all workers together where the study says ``batch: joint``.
        weight_decay: Pull of the weights towards 0, apart from the gradient (AdamW).
        dropout: Share of the flattened features that is dropped.
        width: What the talk's numbers of filters (10, 64, 128, 256) are multiplied with.
        kernel: Pixels of a filter in each direction; odd.
        pool: Pixels that a pooling layer joins in each direction; 0 for the largest of 5, 4, 3, 2 that fits the image
            four times, which is the talk's 5 for its images of 3600 pixels.
        dense: Units of the dense layer.
        activation: Non-linearity after convolutions and the dense layer.
        planes: 1 for the collection plane, 3 for all planes as channels.
        downsample: Pixels in each direction that are summed before the network sees them.
        augment: Train on mirror images too: each event is flipped along the drift, and across the wires of all planes,
            half of the times.
        intensity: ``linear`` ADC counts, or their ``log``, which weakens dense showers against thin tracks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lr: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=16, ge=1)
    weight_decay: float = Field(default=0.0, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    width: float = Field(default=1.0, gt=0, le=8)
    kernel: Literal[1, 3, 5, 7] = 5
    pool: Literal[0, 2, 3, 4, 5] = 0
    dense: int = Field(default=32, ge=1)
    activation: Literal["elu", "gelu", "relu", "silu"] = "elu"
    planes: Literal[1, 3] = 1
    downsample: int = Field(default=1, ge=1)
    augment: bool = False
    intensity: Literal["linear", "log"] = "linear"
