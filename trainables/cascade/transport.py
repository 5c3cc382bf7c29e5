"""The steps of electrons, positrons and photons through a stack of slabs, compiled by numba.

A particle is a row ``[kind, kinetic energy, x, y, z, u, v, w]`` of the stack of particles still to be followed: kind -1
for electrons, 0 for photons, 1 for positrons; MeV and cm; ``(u, v, w)`` its direction. The particle on top takes the
next step. A step moves it, takes it off, or puts its secondaries above it.

Simulated are pair production, Compton scattering, the photo-effect, bremsstrahlung above a cut, collision loss with
Landau fluctuations (in Moyal's form, in sensitive slabs), multiple scattering (Highland), annihilation at rest. Left
out are knock-on electrons as particles, annihilation in flight, polarisation, photo-nuclear reactions, and the
Landau-Pomeranchuk-Migdal effect.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .cross_sections import (
    COLLISION,
    DENSITY,
    X0,
    Z_OVER_A,
    collision_loss,
    compton_rate,
    pair_rate,
    photo_rate,
    radiation_rate,
    soft_radiation_loss,
)
from .materials import ELECTRON_MASS

KIND, ENERGY, X, Y, Z, U, V, W = range(8)
"""Columns of a particle."""
DEPOSITED, LEAKED, STEPS = range(3)
"""What `Tally.sums` adds up: MeV, MeV, a number."""

_FAR = 1e9
_MOYAL_MEAN = 1.2703628454614782
"""Euler's constant plus log 2."""


class Limits(NamedTuple):
    """Kinetic energies in MeV below which electrons and photons are absorbed, and photons not radiated; step in X0."""

    electron: float
    photon: float
    radiation: float
    step: float


class Geometry(NamedTuple):
    """Slabs along z that repeat for ever, of which those from z = `low` to `high` and |x|, |y| < `half_width` exist."""

    media: NDArray[np.float64]
    sensitive: NDArray[np.bool_]
    thickness: NDArray[np.float64]
    pitch: float
    low: float
    high: float
    half_width: float


class Tally(NamedTuple):
    """Where deposits in sensitive slabs go: into a grid of cells, or to a list where the grid is empty.

    `grid` is ``(nx, ny, repetitions)``, its middle at x = y = 0, with square cells. `points` is ``(n, 4)`` of x, y, z,
    MeV, `used` ``(1,)`` its filled length.
    """

    grid: NDArray[np.float64]
    cell: float
    points: NDArray[np.float64]
    used: NDArray[np.int64]
    sums: NDArray[np.float64]


@njit(cache=True)
def seed(number):
    """Seed the random numbers of compiled code in this thread."""
    np.random.seed(number)


@njit(cache=True)
def rotate(u, v, w, cosine, phi):
    """Turn a unit vector by an angle, given by its cosine, about an axis across it at azimuth `phi` in rad."""
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    c, s = math.cos(phi), math.sin(phi)
    r = math.hypot(u, v)
    if r < 1e-10:
        sign = 1.0 if w > 0 else -1.0
        return sine * c, sign * sine * s, sign * cosine
    return (
        u * cosine + sine * (u * w * c - v * s) / r,
        v * cosine + sine * (v * w * c + u * s) / r,
        w * cosine - sine * r * c,
    )


@njit(cache=True)
def _azimuth():
    return 2.0 * math.pi * np.random.random()


@njit(cache=True)
def _exponential():
    return -math.log(1.0 - np.random.random())


@njit(cache=True)
def _turn(p, theta, phi):
    p[U], p[V], p[W] = rotate(p[U], p[V], p[W], math.cos(theta), phi)


@njit(cache=True)
def _advance(p, length):
    p[X] += p[U] * length
    p[Y] += p[V] * length
    p[Z] += p[W] * length


@njit(cache=True)
def _emit(stack, top, kind, energy, theta, phi):
    """Put a secondary of the particle below `top` on the stack."""
    if top == len(stack):
        raise RuntimeError("too many particles wait to be followed")
    stack[top] = stack[top - 1]
    stack[top, KIND], stack[top, ENERGY] = kind, energy
    _turn(stack[top], theta, phi)
    return top + 1


@njit(cache=True)
def _deposit(tally, sensitive, layer, x, y, z, energy):
    tally.sums[DEPOSITED] += energy
    if not sensitive:
        return
    grid = tally.grid
    if grid.size == 0:
        tally.points[tally.used[0]] = (x, y, z, energy)
        tally.used[0] += 1
        return
    i, j = math.floor(x / tally.cell + 0.5 * grid.shape[0]), math.floor(y / tally.cell + 0.5 * grid.shape[1])
    if 0 <= i < grid.shape[0] and 0 <= j < grid.shape[1] and 0 <= layer < grid.shape[2]:
        grid[i, j, layer] += energy


@njit(cache=True)
def _locate(p, geometry):
    """The repetition of the stack that a particle is in, its slab, and how far it may fly in there."""
    layer = math.floor(p[Z] / geometry.pitch)
    inside = p[Z] - layer * geometry.pitch
    slab, begin = 0, 0.0
    while slab < len(geometry.thickness) - 1 and inside >= begin + geometry.thickness[slab] - 1e-12:
        begin += geometry.thickness[slab]
        slab += 1
    distance = _FAR
    if p[W] > 1e-9:
        distance = (begin + geometry.thickness[slab] - inside) / p[W]
    elif p[W] < -1e-9:
        distance = (begin - inside) / p[W]
    return layer, slab, max(distance, 0.0) + 1e-7


@njit(cache=True)
def _pair(stack, top):
    """A photon becomes an electron and a positron; the shares of the energy follow ``1 - 4/3 f (1 - f)``."""
    p = stack[top - 1]
    kinetic = p[ENERGY] - 2.0 * ELECTRON_MASS
    share = np.random.random()
    while np.random.random() > 1.0 - 4.0 / 3.0 * share * (1.0 - share):
        share = np.random.random()
    top = _emit(stack, top, 1.0, (1.0 - share) * kinetic, _pair_angle((1.0 - share) * kinetic), _azimuth())
    p[KIND], p[ENERGY] = -1.0, share * kinetic
    _turn(p, _pair_angle(share * kinetic), _azimuth())
    return top


@njit(cache=True)
def _pair_angle(kinetic):
    return min(0.8 * ELECTRON_MASS / (kinetic + ELECTRON_MASS) * math.sqrt(_exponential()), 1.2)


@njit(cache=True)
def _compton_fraction(k):
    """The energy that a photon keeps of ``k`` electron masses, and 1 - cos of its angle (Butcher and Messel)."""
    least = 1.0 / (1.0 + 2.0 * k)
    inverse, linear = -math.log(least), 0.5 * (1.0 - least * least)
    while True:
        if np.random.random() * (inverse + linear) < inverse:
            kept = math.exp(-inverse * np.random.random())
        else:
            kept = math.sqrt(least * least + (1.0 - least * least) * np.random.random())
        turn = (1.0 - kept) / (k * kept)
        if np.random.random() < 1.0 - kept * turn * (2.0 - turn) / (1.0 + kept * kept):
            return kept, turn


@njit(cache=True)
def _compton(stack, top, layer, sensitive, tally, limits):
    p = stack[top - 1]
    energy, phi = p[ENERGY], _azimuth()
    kept, turn = _compton_fraction(energy / ELECTRON_MASS)
    recoil, cosine = energy * (1.0 - kept), 1.0 - turn
    if recoil > limits.electron:
        along = (energy - kept * energy * cosine) / math.sqrt(recoil * (recoil + 2.0 * ELECTRON_MASS))
        top = _emit(stack, top, -1.0, recoil, math.acos(min(1.0, max(-1.0, along))), phi + math.pi)
    else:
        _deposit(tally, sensitive, layer, p[X], p[Y], p[Z], recoil)
    p[ENERGY] = kept * energy
    _turn(p, math.acos(max(-1.0, cosine)), phi)
    return top


@njit(cache=True)
def _photon_step(stack, top, layer, slab, distance, geometry, tally, limits):
    p, medium, sensitive = stack[top - 1], geometry.media[slab], geometry.sensitive[slab]
    if p[ENERGY] < limits.photon:
        _deposit(tally, sensitive, layer, p[X], p[Y], p[Z], p[ENERGY])
        return top - 1
    pair, compton, photo = pair_rate(p[ENERGY], medium), compton_rate(p[ENERGY], medium), photo_rate(p[ENERGY], medium)
    total = pair + compton + photo
    flight = _exponential() / total
    _advance(p, min(flight, distance))
    if flight > distance:
        return top
    chosen = np.random.random() * total
    if chosen < pair:
        return _pair(stack, top)
    if chosen < pair + compton:
        return _compton(stack, top, layer, sensitive, tally, limits)
    p[KIND] = -1.0  # photo-effect: the electron takes all
    _turn(p, min(1.5, 1.0 / (1.0 + p[ENERGY] / ELECTRON_MASS)) * 2.0 * np.random.random(), _azimuth())
    return top


@njit(cache=True)
def _stop(stack, top, layer, sensitive, tally):
    """End an electron's or positron's track; a positron leaves two photons back to back."""
    p = stack[top - 1]
    _deposit(tally, sensitive, layer, p[X], p[Y], p[Z], p[ENERGY])
    if p[KIND] < 0:
        return top - 1
    p[KIND], p[ENERGY] = 0.0, ELECTRON_MASS
    _turn(p, math.acos(2.0 * np.random.random() - 1.0), _azimuth())
    return _emit(stack, top, 0.0, ELECTRON_MASS, math.pi, 0.0)


@njit(cache=True)
def _fluctuating(mean, length, medium):
    """The energy lost in a thin layer whose mean loss is `mean` (Moyal)."""
    width = COLLISION * medium[Z_OVER_A] * medium[DENSITY] * length
    normal = np.random.normal()
    moyal = -math.log(max(normal * normal, 1e-300)) - _MOYAL_MEAN
    return max(mean + width * min(moyal, 12.0), 0.2 * mean)


@njit(cache=True)
def _scatter(p, kinetic, thickness):
    """Multiple scattering in a layer of `thickness` radiation lengths (Highland's formula, PDG review)."""
    momentum2 = kinetic * (kinetic + 2.0 * ELECTRON_MASS)
    width = 13.6 * (kinetic + ELECTRON_MASS) / momentum2 * math.sqrt(thickness)
    width *= max(0.35, 1.0 + 0.038 * math.log(max(thickness, 1e-4)))
    _turn(p, min(width * math.sqrt(2.0 * _exponential()), 2.5), _azimuth())


@njit(cache=True)
def _radiate(stack, top, cut):
    """Emit a photon above `cut`, its energy from ``(4/3 - 4/3 y + y²) / k``."""
    p = stack[top - 1]
    while True:
        photon = cut * math.exp(np.random.random() * math.log(p[ENERGY] / cut))
        y = photon / p[ENERGY]
        if np.random.random() * 4.0 / 3.0 < 4.0 / 3.0 * (1.0 - y) + y * y:
            break
    angle = min(1.0, ELECTRON_MASS / (p[ENERGY] + ELECTRON_MASS) * math.sqrt(_exponential()))
    p[ENERGY] -= photon
    return _emit(stack, top, 0.0, photon, angle, _azimuth())


@njit(cache=True)
def _electron_step(stack, top, layer, slab, distance, geometry, tally, limits):
    p, medium, sensitive = stack[top - 1], geometry.media[slab], geometry.sensitive[slab]
    kinetic = p[ENERGY]
    if kinetic < limits.electron:
        return _stop(stack, top, layer, sensitive, tally)
    loss = collision_loss(kinetic, medium) + soft_radiation_loss(kinetic, limits.radiation, medium)
    rate = radiation_rate(kinetic, limits.radiation, medium)
    length = max(min(limits.step * medium[X0], 0.2 * kinetic / loss), 1e-4)
    flight = _exponential() / rate if rate > 0.0 else _FAR
    radiates = flight < length and flight <= distance
    length = min(length, flight, distance)
    lost = _fluctuating(loss * length, length, medium) if sensitive else loss * length
    lost = min(lost, kinetic)
    _advance(p, 0.5 * length)
    _deposit(tally, sensitive, layer, p[X], p[Y], p[Z], lost)
    _advance(p, 0.5 * length)
    p[ENERGY] = kinetic - lost
    _scatter(p, kinetic, length / medium[X0])
    if radiates and p[ENERGY] > limits.radiation:
        return _radiate(stack, top, limits.radiation)
    return top


@njit(cache=True)
def transport(stack, top, geometry, tally, limits):
    """Follow particles until none is left, or until the tally's list of deposits is full.

    Args:
        stack: ``(n, 8)``, particles to be followed in its first rows.
        top: their number.
        geometry: a `Geometry`.
        tally: a `Tally`.
        limits: a `Limits`.

    Returns:
        How many particles are still to be followed.
    """
    while top > 0 and (tally.grid.size > 0 or tally.used[0] < len(tally.points)):
        p = stack[top - 1]
        tally.sums[STEPS] += 1
        if not (geometry.low - 1e-9 <= p[Z] <= geometry.high and max(abs(p[X]), abs(p[Y])) <= geometry.half_width):
            tally.sums[LEAKED] += p[ENERGY]
            top -= 1
            continue
        layer, slab, distance = _locate(p, geometry)
        if p[KIND] == 0.0:
            top = _photon_step(stack, top, layer, slab, distance, geometry, tally, limits)
        else:
            top = _electron_step(stack, top, layer, slab, distance, geometry, tally, limits)
    return top
