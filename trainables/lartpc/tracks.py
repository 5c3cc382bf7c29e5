"""Muons, pions, kaons and protons step through liquid argon, compiled by numba.

A step loses energy continuously and to knock-on electrons, scatters, and may end in a decay or a nuclear interaction.
Knock-on electrons above `VISIBLE` are given back as particles, weaker ones are part of the step's deposit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainables.cascade import rotate
from trainables.cascade.materials import ELECTRON_MASS

from .particles import DECAY_LENGTHS, INTERACTION_LENGTHS, MASSES, Particle
from .stopping import (
    RADIATION_LENGTH,
    knock_on_energy,
    knock_on_rate,
    soft_loss,
    stopping_power,
)

LONGEST_STEP = 0.3
"""In cm: the distance between wires."""
VISIBLE = 2.0
"""MeV: a knock-on electron of this energy flies about 1 cm."""
STOPPED, INTERACTED, DECAYED = range(3)
"""How a track ends."""

_KNOCK_ON = 0.02
"""MeV: collisions above are drawn one by one."""
_AT_REST = 1.0
"""MeV: below, a particle stops on the spot."""
_FEWEST_FOR_INTERACTION = 5.0
_SHARE = 0.1
"""Most of its kinetic energy that a particle loses in a step."""
_STEPS, _ELECTRONS = 60_000, 2_000
"""Room for a particle of some 50 GeV."""


class Track(NamedTuple):
    """What a particle leaves on its way.

    Attributes:
        deposits: ``(n, 5)``: x, y, z in cm, MeV, and MeV/cm.
        electrons: Knock-on electrons.
        fate: `STOPPED`, `INTERACTED` or `DECAYED`.
        end: The particle where the track ends; its kinetic energy is 0 if it has stopped.
    """

    deposits: NDArray[np.float64]
    electrons: list[Particle]
    fate: int
    end: Particle


@njit(cache=True)
def _scatter(rng, state, mass, length):
    """Turn by an angle of multiple scattering.

    Highland's formula without its logarithm, so that the angle after a radiation length, where the logarithm is 0,
    does not depend on the number of steps.
    """
    kinetic = state[0]
    momentum = math.sqrt(kinetic * (kinetic + 2.0 * mass))
    width = 13.6 * (kinetic + mass) / momentum**2 * math.sqrt(length / RADIATION_LENGTH)
    angle = min(width * math.sqrt(-2.0 * math.log(1.0 - rng.random())), 2.0)
    turned = rotate(state[4], state[5], state[6], math.cos(angle), 2.0 * math.pi * rng.random())
    state[4], state[5], state[6] = turned


@njit(cache=True)
def _knock_on(rng, state, mass, energy, electron):
    """Fill `electron` with one of the given kinetic energy, at the angle that the collision of two bodies has."""
    kinetic = state[0]
    momentum = math.sqrt(kinetic * (kinetic + 2.0 * mass))
    momentum_e = math.sqrt(energy * (energy + 2.0 * ELECTRON_MASS))
    cosine = min(1.0, energy * (kinetic + mass + ELECTRON_MASS) / (momentum_e * momentum))
    electron[:] = state
    electron[0] = energy
    turned = rotate(state[4], state[5], state[6], cosine, 2.0 * math.pi * rng.random())
    electron[4], electron[5], electron[6] = turned


@njit(cache=True)
def _collide(rng, state, mass, length, electrons, used):
    """Knock on electrons along a step; return the energy of the weak ones, of all, and the number of strong ones."""
    local, given = 0.0, 0.0
    for _ in range(rng.poisson(length * knock_on_rate(state[0], mass, _KNOCK_ON))):
        energy = knock_on_energy(rng, state[0], mass, _KNOCK_ON)
        if given + energy > 0.5 * state[0]:
            break
        given += energy
        if energy < VISIBLE:
            local += energy
            continue
        _knock_on(rng, state, mass, energy, electrons[used])
        used += 1
    return local, given, used


@njit(cache=True)
def _step(rng, state, mass, length, deposit, electrons, used):
    """Move by `length`; lose energy, half-way along it."""
    for axis in range(3):
        state[1 + axis] += 0.5 * length * state[4 + axis]
    soft = min(soft_loss(rng, state[0], mass, length, _KNOCK_ON), 0.5 * state[0])
    local, given, used = _collide(rng, state, mass, length, electrons, used)
    lost = soft + local
    deposit[0], deposit[1], deposit[2], deposit[3], deposit[4] = state[1], state[2], state[3], lost, lost / length
    for axis in range(3):
        state[1 + axis] += 0.5 * length * state[4 + axis]
    state[0] = max(state[0] - soft - given, 0.0)
    return used


@njit(cache=True)
def _fate(rng, state, mass, length, decay_length, interaction_length):
    momentum = math.sqrt(state[0] * (state[0] + 2.0 * mass))
    if rng.random() < -math.expm1(-length * mass / (momentum * decay_length)):
        return DECAYED
    if state[0] > _FEWEST_FOR_INTERACTION and rng.random() < -math.expm1(-length / interaction_length):
        return INTERACTED
    return STOPPED


@njit(cache=True)
def _walk(rng, state, mass, decay_length, interaction_length, deposits, electrons):
    """Step until the particle stops, decays or interacts; `state` is kinetic energy, position, direction."""
    count, used = 0, 0
    while state[0] > _AT_REST:
        if count + 1 == len(deposits) or used + 100 > len(electrons):
            raise RuntimeError("a track is too long to be followed")
        loss = stopping_power(state[0], mass, 1e9)
        length = min(LONGEST_STEP, _SHARE * state[0] / loss)
        used = _step(rng, state, mass, length, deposits[count], electrons, used)
        count += 1
        if state[0] <= _AT_REST:
            break
        _scatter(rng, state, mass, length)
        fate = _fate(rng, state, mass, length, decay_length, interaction_length)
        if fate != STOPPED:
            return count, used, fate
    if state[0] > 0.0:
        loss = stopping_power(_AT_REST, mass, 1e9)
        deposits[count, 0], deposits[count, 1], deposits[count, 2] = state[1], state[2], state[3]
        deposits[count, 3], deposits[count, 4] = state[0], loss
        state[0] = 0.0
        count += 1
    return count, used, STOPPED


def walk(particle: Particle, rng: np.random.Generator) -> Track:
    """Follow a charged particle other than an electron until it stops, decays or interacts."""
    kind = abs(particle.pdg)
    state = np.array([particle.kinetic, *particle.position, *particle.direction])
    deposits, electrons = np.empty((_STEPS, 5)), np.empty((_ELECTRONS, 7))
    lengths = DECAY_LENGTHS.get(kind, np.inf), INTERACTION_LENGTHS.get(kind, np.inf)
    count, used, fate = _walk(rng, state, MASSES[kind], *lengths, deposits, electrons)
    knocked = [_particle(11, row) for row in electrons[:used].copy()]
    return Track(deposits[:count].copy(), knocked, int(fate), _particle(particle.pdg, state))


def _particle(pdg: int, state: NDArray[Any]) -> Particle:
    return Particle(pdg, float(state[0]), state[1:4], state[4:7])


def csda_range(kinetic: float, mass: float, steps: int = 4000) -> float:
    """The range in cm of a particle that always loses the mean: the integral of ``dT / (dE/dx)`` from 1 MeV up.

    Below 1 MeV the particle flies as if its loss rose as ``T^-0.8``.
    """
    energies = np.geomspace(_AT_REST, kinetic, steps)
    inverse = np.array([1.0 / stopping_power(energy, mass, 1e9) for energy in energies])
    return float(np.trapezoid(inverse, energies) + _AT_REST * inverse[0] / 1.8)
