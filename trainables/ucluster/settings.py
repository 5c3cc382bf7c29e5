"""The hyperparameters of UCluster: what each acts on, its default, and what values are possible."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .schema import ANOMALY_MASS_EDGES, FEATURES, MASS_EDGES, POINTS


class Settings(BaseModel):
    """A configuration of UCluster; the defaults are those of the talk, and where it names none, of the released code.

    Attributes:
        task: ``multiclass`` classifies the mass interval of a jet, ``anomaly`` that of each constituent's jet.
        learning_rate: The optimizer's learning rate at the first step.
        optimizer: Adam, or gradient descent with momentum.
        momentum: Of gradient descent; Adam has its own.
        decay_step: Epochs after which the learning rate is multiplied by ``decay_rate``, again and again.
        decay_rate: See ``decay_step``.
        min_learning_rate: The learning rate falls no further.
        wd: Weight decay.
        batch_size: Jets per step and worker; of all workers together where the study says ``batch: joint``.
        epochs_pretrain: Epochs of classification alone, before the clustering loss joins in.
        beta: Weight of the clustering loss against the classification's.
        alpha_start: Inverse temperature in the first epoch of clustering.
        alpha_step: What it grows by in each further epoch.
        n_clusters: Number of clusters.
        max_dim: Dimension of the encoding that is clustered.
        pooling: How constituents make the encoding: their mean over all places, or the largest of each component.
        num_point: Constituents used, those of highest pT.
        nfeat: Features used of a constituent, the first ones of the eight.
        ncat: Mass intervals that are told apart; a larger number in the event file counts as the last.
        k: Nearest neighbours that a constituent attends to, itself among them.
        heads: Attention heads of both graph layers.
        width: Units of the first layer; all others grow with it. 64 gives the released code's layers.
        dropout: Share of units dropped in the classifier.
        focal_gamma: Power of the focal loss; 0 is the cross entropy.
        focal_scale: Factor of the focal loss.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: Literal["multiclass", "anomaly"] = "multiclass"
    learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adam", "momentum"] = "adam"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    decay_step: int = Field(default=3, ge=1)
    decay_rate: float = Field(default=0.5, gt=0, le=1)
    min_learning_rate: float = Field(default=1e-5, ge=0)
    wd: float = Field(default=0.0, ge=0)
    batch_size: int = Field(default=1024, ge=2)
    epochs_pretrain: int = Field(default=20, ge=1)
    beta: float = Field(default=10.0, ge=0)
    alpha_start: float = Field(default=1.0, ge=0)
    alpha_step: float = Field(default=2.0, ge=0)
    n_clusters: int = Field(default=3, ge=2)
    max_dim: int = Field(default=3, ge=1)
    pooling: Literal["mean", "max"] = "mean"
    num_point: int = Field(default=POINTS, ge=2, le=POINTS)
    nfeat: int = Field(default=len(FEATURES), ge=3, le=len(FEATURES))
    ncat: int = Field(default=len(MASS_EDGES) - 1, ge=2, le=len(ANOMALY_MASS_EDGES))
    k: int = Field(default=10, ge=1, le=POINTS)
    heads: int = Field(default=1, ge=1)
    width: int = Field(default=64, ge=4)
    dropout: float = Field(default=0.4, ge=0, lt=1)
    focal_gamma: float = Field(default=2.0, ge=0)
    focal_scale: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _enough_points(self) -> Settings:
        if self.k > self.num_point:
            raise ValueError(f"'k' is {self.k}, it should be at most 'num_point', {self.num_point}")
        return self
