"""How generated showers compare with reference ones, in bins of the primary energy.

For each validation shower one is generated with the same energy and angle. What is summed over showers, batches and
workers is a tensor ``(2, BINS, quantities)``: reference first, generated second. All deviations are between 0 (alike)
and 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .loss import measured_angle
from .schema import LEAST_CELL

ENERGY_EDGES = (100.0, 200.0, 300.0, 400.0)
"""GeV; the first bin is below the first edge, the last one above the last."""
BINS = len(ENERGY_EDGES) + 1
SCALARS = ("showers", "energy", "sampling", "sampling2", "hits", "angle")
MOMENTS = ("mean_x", "mean_y", "mean_z", "rms_x", "rms_y", "rms_z")
_FIXED = len(SCALARS) + len(MOMENTS)
_ANGLE_RANGE = 1.0
"""rad: a shift of the mean angle by so much is a deviation of 1."""


def bin_of(energy: Tensor) -> Tensor:
    """The number of the bin of primary energies in GeV."""
    return torch.bucketize(energy, torch.tensor(ENERGY_EDGES, device=energy.device, dtype=energy.dtype), right=True)


def profiles(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The energy along x, y and layer, ``(batch, n)`` each, of ``(batch, x, y, layer)``."""
    return cells.sum((2, 3)), cells.sum((1, 3)), cells.sum((1, 2))


def _moments(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Mean position and its root mean square deviation, in cells; 0 for showers without energy."""
    position = torch.arange(profile.shape[1], device=profile.device, dtype=profile.dtype)
    total = profile.sum(1).clamp(min=1e-12)
    mean = (profile * position).sum(1) / total
    return mean, ((profile * (position - mean[:, None]) ** 2).sum(1) / total).sqrt()


def shower_quantities(cells: Tensor, energy: Tensor) -> Tensor:
    """What is summed of each shower.

    Args:
        cells: ``(batch, x, y, layer)``, GeV.
        energy: ``(batch,)``, of the primary particle, GeV.

    Returns:
        ``(batch, quantities)``: `SCALARS`, `MOMENTS`, and the profiles along x, y and layer as shares of the shower's
        energy.
    """
    cells, energy = cells.double(), energy.double()
    total = cells.sum((1, 2, 3))
    sampling, hits = total / energy, (cells > LEAST_CELL).sum((1, 2, 3))
    scalars = [torch.ones_like(energy), energy, sampling, sampling**2, hits.double(), measured_angle(cells)]
    along = profiles(cells)
    means, widths = zip(*(_moments(profile) for profile in along), strict=True)
    shares = [profile / total.clamp(min=1e-12)[:, None] for profile in along]
    return torch.cat([torch.stack([*scalars, *means, *widths], 1), *shares], 1)


def sums(cells: Tensor, energy: Tensor) -> Tensor:
    """`shower_quantities`, summed by bin: ``(BINS, quantities)``."""
    quantities = shower_quantities(cells, energy)
    return quantities.new_zeros(BINS, quantities.shape[1]).index_add_(0, bin_of(energy), quantities)


def count_of(shape: tuple[int, int, int]) -> int:
    """The number of quantities of showers of a shape."""
    return _FIXED + sum(shape)


def mean_quantities(total: Tensor) -> dict[str, Tensor]:
    """Means over the showers of each bin, from sums ``(..., quantities)``, by name."""
    means = total / total[..., :1].clamp(min=1)
    return dict(zip((*SCALARS, *MOMENTS), means.unbind(-1), strict=False))


def mean_profiles(total: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """The mean profiles along x, y and layer, from sums ``(..., quantities)``."""
    return (total / total[..., :1].clamp(min=1))[..., _FIXED:].split(shape, -1)


def resolution(means: dict[str, Tensor]) -> Tensor:
    """The relative spread of the sampled energy at a given primary energy; 0 where nothing is sampled."""
    variance = (means["sampling2"] - means["sampling"] ** 2).clamp(min=0)
    return variance.sqrt() / means["sampling"].clamp(min=1e-12)


def _apart(pair: Tensor) -> Tensor:
    """``|a - b| / (a + b)`` of numbers that are not negative, ``(2, ...)``: 0 if they are the same, 1 if one is 0."""
    return (pair[0] - pair[1]).abs() / (pair[0] + pair[1]).clamp(min=1e-12)


def _distance(pair: Tensor) -> Tensor:
    """Half of the summed difference of two profiles ``(2, BINS, n)``, 1 where one of them is empty."""
    distance = 0.5 * (pair[0] - pair[1]).abs().sum(-1)
    return torch.where(pair.sum(-1).amin(0) <= 0, torch.ones_like(distance), distance)


def deviations(total: Tensor, shape: tuple[int, int, int], angle: bool) -> dict[str, Tensor]:
    """How far generated showers are from the reference, ``(BINS,)`` each, from the sums of all showers.

    ``longitudinal`` and ``transverse``: half of the summed differences of the mean profiles (the mean of x and y).
    ``sampling``, ``hits``, ``resolution``: ``|a - b| / (a + b)`` of the mean sampling fraction (the energy response),
    mean number of cells hit, and relative spread of the sampling fraction. ``moments``: mean of the shower's centre, as
    shares of the image's size, and of its widths, as ``|a - b| / (a + b)``. ``angle``: of the mean measured angle in
    rad, at most 1.
    """
    means, (x, y, z) = mean_quantities(total), mean_profiles(total, shape)
    centres = [(means[f"mean_{axis}"].diff(dim=0)[0].abs() / size) for axis, size in zip("xyz", shape, strict=True)]
    widths = [_apart(means[f"rms_{axis}"]) for axis in "xyz"]
    found = {
        "longitudinal": _distance(z),
        "transverse": 0.5 * (_distance(x) + _distance(y)),
        "sampling": _apart(means["sampling"]),
        "hits": _apart(means["hits"]),
        "moments": torch.stack([*centres, *widths]).mean(0),
        "resolution": _apart(resolution(means)),
    }
    if angle:
        found["angle"] = (means["angle"].diff(dim=0)[0].abs() / _ANGLE_RANGE).clamp(max=1)
    return found


def physics_metrics(total: Tensor, shape: tuple[int, int, int], angle: bool) -> dict[str, float]:
    """``val_physics``, the score to minimise, and what it is the mean of.

    Each deviation is averaged over the bins that hold showers, every bin alike; the score is the mean of the
    deviations. It is between 0 and 1, or NaN if the generator makes NaN.
    """
    used = total[0, :, 0] > 0
    found = {name: value[used].mean() for name, value in deviations(total, shape, angle).items()}
    score = torch.stack(list(found.values())).mean()
    return {"val_physics": score.item(), **{f"val_{name}": value.item() for name, value in found.items()}}
