"""What a study's ``data`` section names: showers to learn from, showers to compare with, and weights to start from."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from raise_hpo.data import rows_of
from raise_hpo.errors import UserError
from trainables.event_files import named_sources

from .schema import Shape, columns, shower_shape

SAMPLE = Path(__file__).parent / "sample"
"""The folder of the sample that ships with the package, used where the study names no data."""
KEYS = ("train", "valid", "max_events", "weights")
"""What the section may hold: two event files (or folders, patterns, lists of them), how many showers of each to use at
most, and a checkpoint of another training whose weights this one starts from."""
NETWORKS = ("generator", "discriminator")
"""What is taken from that checkpoint."""


def files(data: Mapping[str, Any]) -> tuple[Any, Any]:
    """The training and the validation showers' files.

    Raises:
        UserError: a key is unknown, missing or has an impossible value.
    """
    return named_sources(data, KEYS, "calogan", SAMPLE)


def check_data(data: Mapping[str, Any], cache: Path | None = None) -> Shape:
    """Check a study's ``data`` section and the footers of the files it names, and return the shape of a shower.

    Args:
        data: the section.
        cache: the node's cache, where footers are kept.

    Raises:
        UserError: the section has a mistake, or a file cannot be used.
    """
    train, valid = (shower_shape(source, cache) for source in files(data))
    if train != valid:
        raise UserError(f"data: showers of 'train' have the shape {train}, those of 'valid' {valid}")
    if data.get("weights"):
        read_weights(data["weights"])
    return train


def open_showers(data: Mapping[str, Any], cache: Path | None) -> tuple[Shape, Any, Any]:
    """Open the training and the validation showers.

    Args:
        data: the study's section.
        cache: the node's cache.

    Returns:
        The shape of a shower, and both as `raise_hpo.data.open_rows` gives them.
    """
    shape = check_data(data, cache)
    opened = [rows_of(data, source, columns(shape), cache) for source in files(data)]
    return shape, opened[0], opened[1]


def read_weights(path: str | Path) -> dict[str, dict[str, Tensor]]:
    """Read the weights of `NETWORKS` from a trial's checkpoint.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise UserError(f"data: there is no checkpoint 'weights: {path}'")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: dict(state["parts"][name]) for name in NETWORKS}
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"data: 'weights: {path}' is not a checkpoint of calogan") from error


def start_from(weights: Mapping[str, Mapping[str, Tensor]], name: str, network: nn.Module, path: str) -> None:
    """Put the weights of a checkpoint into a network.

    Raises:
        UserError: the network is of another shape.
    """
    try:
        network.load_state_dict(weights[name])
    except RuntimeError as error:
        raise UserError(
            f"data: the {name} in 'weights: {path}' does not fit; width, latent_size and cells must be the same"
        ) from error
