"""Directions, decays by phase space and boosts. A four-momentum is ``[E, px, py, pz]`` in MeV."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.cascade import rotate

from .particles import Vector


def isotropic(rng: np.random.Generator) -> Vector:
    """A unit vector, all directions being alike."""
    cosine, phi = rng.uniform(-1.0, 1.0), rng.uniform(0.0, 2.0 * np.pi)
    sine = np.sqrt(1.0 - cosine**2)
    return np.array([sine * np.cos(phi), sine * np.sin(phi), cosine])


def turned(direction: Vector, cosine: float, rng: np.random.Generator) -> Vector:
    """A unit vector at an angle, given by its cosine, to another."""
    return np.array(rotate(*direction, cosine, rng.uniform(0.0, 2.0 * np.pi)))


def decay_momentum(mass: float, first: float, second: float) -> float:
    """The momentum of each of two particles, of masses `first` and `second`, that one at rest decays to."""
    total, difference = (first + second) ** 2, (first - second) ** 2
    return float(np.sqrt(max((mass**2 - total) * (mass**2 - difference), 0.0))) / (2.0 * mass)


def two_bodies(mass: float, first: float, second: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The four-momenta, ``(2, 4)``, of the two particles that one at rest decays to, in any direction."""
    momentum = decay_momentum(mass, first, second) * isotropic(rng)
    masses = np.array([first, second])
    energies = np.sqrt(momentum @ momentum + masses**2)
    return np.column_stack([energies, [momentum, -momentum]])


def phase_space(mass: float, masses: Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """The four-momenta, ``(2, 4)`` or ``(3, 4)``, of what a particle at rest decays to, evenly in phase space.

    Three bodies decay as two, the last and a pair, whose mass has the density of the product of both momenta.
    """
    if len(masses) == 2:
        return two_bodies(mass, *masses, rng)
    first, second, third = masses
    low, high = first + second, mass - third
    bound = decay_momentum(mass, low, third) * decay_momentum(high, first, second)
    while True:
        pair = rng.uniform(low, high)
        weight = decay_momentum(mass, pair, third) * decay_momentum(pair, first, second)
        if rng.uniform(0.0, bound) < weight:
            break
    together, alone = two_bodies(mass, pair, third, rng)
    return np.vstack([boosted(two_bodies(pair, first, second, rng), together), alone])


def boosted(momenta: NDArray[np.float64], frame: Vector) -> NDArray[np.float64]:
    """Four-momenta ``(n, 4)`` given in the rest frame of a particle, seen where that has the four-momentum `frame`."""
    mass = np.sqrt(max(frame[0] ** 2 - frame[1:] @ frame[1:], 0.0))
    velocity = frame[1:] / mass
    gamma = frame[0] / mass
    along = momenta[:, 1:] @ velocity
    vectors = momenta[:, 1:] + np.outer(along / (1.0 + gamma) + momenta[:, 0], velocity)
    return np.column_stack([gamma * momenta[:, 0] + along, vectors])
