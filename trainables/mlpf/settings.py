"""The hyperparameters of MLPF: what each acts on, its default, and what values are possible."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """A configuration of MLPF; the defaults are those of a first, small model (README.md tells how they were chosen).

    Attributes:
        lr: Adam's learning rate at the first step.
        expdecay_decay_steps: Optimizer steps in which the learning rate falls by 1 %.
        batch_size: Events per step and worker; of all workers together where the study says ``batch: joint``.
        dropout: Share of units dropped in the decoders; half of it in the graph layers.
        activation: Non-linearity of every part.
        hidden_dim: Units of the hidden layers in encoder and decoders.
        layernorm: Normalise the input of every graph layer and decoder.
        bin_size: Most elements that one bin of the locality-sensitive hashing holds.
        distance_dim: Dimension of the space in which elements are hashed and their distances taken.
        ffn_dist_hidden_dim: Units of the hidden layers of the network that maps elements into that space.
        ffn_dist_num_layers: Number of those hidden layers.
        dist_mult: How fast the kernel falls with the squared distance.
        clip_value_low: Least weight of an edge within a bin.
        normalize_degrees: Divide the adjacency by the square roots of its nodes' degrees.
        num_node_messages: Message-passing steps in a graph layer.
        output_dim: Features of an element after a graph layer.
        num_graph_layers_common: Graph layers for particle class, direction and momentum.
        num_graph_layers_energy: Further graph layers, for transverse momentum and energy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lr: float = Field(default=1e-4, gt=0)
    expdecay_decay_steps: int = Field(default=2000, ge=1)
    batch_size: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Literal["elu", "gelu", "relu", "selu", "silu"] = "elu"
    hidden_dim: int = Field(default=64, ge=1)
    layernorm: bool = False
    bin_size: int = Field(default=64, ge=1)
    distance_dim: int = Field(default=64, ge=1)
    ffn_dist_hidden_dim: int = Field(default=64, ge=1)
    ffn_dist_num_layers: int = Field(default=1, ge=0)
    dist_mult: float = Field(default=0.1, ge=0)
    clip_value_low: float = Field(default=0.0, ge=0, le=1)
    normalize_degrees: bool = True
    num_node_messages: int = Field(default=1, ge=1)
    output_dim: int = Field(default=64, ge=1)
    num_graph_layers_common: int = Field(default=2, ge=0)
    num_graph_layers_energy: int = Field(default=2, ge=0)
