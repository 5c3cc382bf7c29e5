"""From deposits of energy to images: charge that drifts to three planes of wires, wire by tick, with noise.

The chamber is like MicroBooNE's (JINST 12, P02017 (2017)): wires 3 mm apart, at +60, -60 and 0 degrees to the vertical,
ticks of 0.5 µs, 273 V/cm. Images show charge after deconvolution, so that all planes are unipolar and alike. They are
sparse from the start: what noise adds far from the charge is drawn where it exceeds the threshold, which gives the same
images as drawing it everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, ndtr, ndtri

PLANES = ("U", "V", "Y")
"""Two induction planes, and the collection plane last."""
ANGLES = np.radians([60.0, -60.0, 0.0])
PITCH = 0.3
"""Distance of wires in cm."""
TICK = 0.5 * 0.1114
"""What charge drifts in a tick of 0.5 µs at 1.114 mm/µs, in cm."""
GAIN = 1e6 / 23.6 / 200.0
"""ADC counts by MeV of which nothing recombines: 23.6 eV free an electron, 200 of which make a count."""
SPREAD_WIRE, SPREAD_DRIFT = 0.135, 0.2
"""Standard deviation in cm of the charge of a point, by diffusion, shaping and deconvolution."""
NOISE = 2.0
"""Standard deviation in ADC counts of the noise in a pixel of one wire and 6 ticks."""
THRESHOLD = 4.0
"""Pixels below so many standard deviations of the noise are 0."""

_BIRKS_A, _BIRKS_K, _FIELD = 0.800, 0.0486, 0.273
"""S. Amoruso et al. (ICARUS), Nucl. Instrum. Meth. A 523, 275 (2004); K in (g/cm²)/MeV kV/cm, the field in kV/cm."""
_DENSITY = 1.396


class Sparse(NamedTuple):
    """The pixels of an image that are not 0.

    Attributes:
        pixels: ``(n,)``, rising positions in the flattened image (plane, tick, wire).
        values: ``(n,)``, ADC counts: int16 after read-out.
    """

    pixels: NDArray[np.int32]
    values: NDArray[Any]


@dataclass(frozen=True)
class Window:
    """What an image shows.

    Attributes:
        size: Pixels in both directions.
        wires: Wires that are summed in a pixel.
        ticks: Ticks that are summed in a pixel.
    """

    size: int
    wires: int = 1
    ticks: float = 6.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, ticks, wires."""
        return len(PLANES), self.size, self.size

    @property
    def pixel(self) -> tuple[float, float]:
        """Width along the drift and across the wires, in cm."""
        return self.ticks * TICK, self.wires * PITCH

    @property
    def noise(self) -> float:
        """Standard deviation of the noise in a pixel, in ADC counts."""
        return float(NOISE * np.sqrt(self.wires * self.ticks / 6.0))


def surviving(loss: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of charge that does not recombine, by the energy lost in MeV/cm: ``A / (1 + k / E dE/dx)`` (Birks)."""
    return _BIRKS_A / (1.0 + _BIRKS_K / _FIELD * loss / _DENSITY)


def charge(deposits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ADC counts that deposits, ``(n, 5)`` as `simulate` gives them, make on each plane."""
    return GAIN * deposits[:, 3] * surviving(deposits[:, 4])


def project(points: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Where points ``(n, 3)`` are seen: ``(planes, n, 2)``, in pixels, ticks before wires, 0 in the middle."""
    x, y, z = points.T
    width_drift, width_wire = window.pixel
    across = np.outer(np.cos(ANGLES), z) + np.outer(np.sin(ANGLES), y)
    return np.stack([np.broadcast_to(x, across.shape) / width_drift, across / width_wire], axis=2)


def expose(deposits: NDArray[np.float64], centre: NDArray[np.float64], window: Window) -> Sparse:
    """The image of deposits around `centre`, without noise; the values are not yet rounded.

    Args:
        deposits: ``(n, 5)``.
        centre: The point in cm that the middle of every plane shows.
        window: What the image shows.
    """
    counts, sides = charge(deposits), window.size
    positions = project(deposits[:, :3] - centre, window) + 0.5 * sides
    ticks, tick_shares = _spread(positions[..., 0], SPREAD_DRIFT / window.pixel[0])
    wires, wire_shares = _spread(positions[..., 1], SPREAD_WIRE / window.pixel[1])
    values = counts[:, None, None] * tick_shares[..., :, None] * wire_shares[..., None, :]
    plane = np.arange(len(PLANES))[:, None, None, None]
    flat = (plane * sides + ticks[..., :, None]) * sides + wires[..., None, :]
    inside = ((ticks >= 0) & (ticks < sides))[..., :, None] & ((wires >= 0) & (wires < sides))[..., None, :]
    return _summed(flat[inside], values[inside])


def _spread(position: NDArray[np.float64], sigma: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pixels around positions, and the share of a Gaussian charge that each one gets; shares add up to 1."""
    reach = int(np.ceil(3.0 * sigma))
    pixels = np.floor(position).astype(np.int64)[..., None] + np.arange(-reach, reach + 1)
    edges = np.concatenate([pixels, pixels[..., -1:] + 1], axis=-1) - position[..., None]
    shares = np.diff(erf(edges / (np.sqrt(2.0) * sigma)), axis=-1)
    return pixels, shares / shares.sum(-1, keepdims=True)


def _summed(flat: NDArray[np.int64], values: NDArray[np.float64]) -> Sparse:
    """Each pixel once, in order, with the sum of its values."""
    order = np.argsort(flat, kind="stable")
    flat, values = flat[order], values[order]
    first = np.flatnonzero(np.diff(flat, prepend=-1))
    return Sparse(flat[first].astype(np.int32), np.add.reduceat(values, first) if len(first) else values)


def read_out(charges: Sparse, window: Window, rng: np.random.Generator) -> Sparse:
    """Add noise to an image, suppress what is below the threshold, and round to whole ADC counts."""
    noisy = charges.values + rng.normal(0.0, window.noise, len(charges.values))
    kept = np.abs(noisy) >= THRESHOLD * window.noise
    empty, spikes = _spikes(charges.pixels, window, rng)
    pixels = np.concatenate([charges.pixels[kept], empty])
    values = np.concatenate([noisy[kept], spikes])
    order = np.argsort(pixels)
    return Sparse(pixels[order].astype(np.int32), clipped(values[order]))


def clipped(values: NDArray[Any]) -> NDArray[np.int16]:
    """Whole ADC counts, as far as 16 bits reach."""
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(values), limits.min, limits.max).astype(np.int16)


def _spikes(charged: NDArray[np.int32], window: Window, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pixels without charge where noise alone exceeds the threshold, and its values there."""
    total, tail = int(np.prod(window.shape)), float(ndtr(-THRESHOLD))
    count = rng.binomial(total, 2.0 * tail)
    pixels = np.setdiff1d(rng.integers(total, size=count), charged)
    sizes = -ndtri(tail * rng.uniform(size=len(pixels))) * window.noise
    return pixels, sizes * rng.choice([-1.0, 1.0], len(pixels))


def dense(sparse: Sparse, shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """The whole image, ``(planes, ticks, wires)``."""
    image = np.zeros(shape, np.int16)
    image.reshape(-1)[sparse.pixels] = sparse.values
    return image


def sparse(image: NDArray[Any]) -> Sparse:
    """The pixels of a whole image that are not 0."""
    flat = image.reshape(-1)
    pixels = np.flatnonzero(flat)
    return Sparse(pixels.astype(np.int32), clipped(flat[pixels]))
