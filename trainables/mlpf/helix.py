"""The flight of particles through the solenoid, from their vertices to the calorimeters."""

from __future__ import annotations

import numpy as np

from . import detector_card as card
from .particles import Floats, Particles

_LIGHT = 0.299792458
"""GeV of transverse momentum per tesla and metre of bending radius."""


def propagate(particles: Particles) -> Floats:
    """Fly particles from their vertices to the cylinder around the tracker.

    With the field along z, a particle of charge q turns by ``-0.2998 q B / pT`` rad for each metre of transverse path;
    one that curls up inside the cylinder leaves through an end cap.

    Returns:
        ``(n, 3)``, the points of exit in metres.
    """
    pt, phi = particles.pt, particles.phi
    slope = particles.momentum[:, 2] / pt
    turn = -_LIGHT * card.FIELD * particles.charge / pt
    path = np.minimum(_path_to_side(particles, turn), _path_to_end(particles, slope))
    half = 0.5 * turn * path
    chord = path * np.sinc(half / np.pi)
    direction = np.stack([chord * np.cos(phi + half), chord * np.sin(phi + half), slope * path], axis=1)
    return particles.vertex + direction


def _path_to_end(particles: Particles, slope: Floats) -> Floats:
    flat = np.abs(slope) < 1e-12
    distance = np.copysign(card.HALF_LENGTH, slope) - particles.vertex[:, 2]
    return np.where(flat, np.inf, distance / np.where(flat, 1.0, slope))


def _path_to_side(particles: Particles, turn: Floats) -> Floats:
    straight = turn == 0
    curved = _curved_path(particles, np.where(straight, 1.0, turn))
    return np.where(straight, _straight_path(particles), curved)


def _straight_path(particles: Particles) -> Floats:
    x, y = particles.vertex[:, 0], particles.vertex[:, 1]
    cos, sin = np.cos(particles.phi), np.sin(particles.phi)
    along, aside = x * cos + y * sin, x * sin - y * cos
    return np.sqrt(card.RADIUS**2 - aside**2) - along


def _curved_path(particles: Particles, turn: Floats) -> Floats:
    """Path to the side on a circle: where the angle, seen from its centre, to the beam axis has fallen enough."""
    arm = np.stack([np.sin(particles.phi), -np.cos(particles.phi)], axis=1) / turn[:, None]
    centre = particles.vertex[:, :2] - arm
    radius, offset = 1 / np.abs(turn), np.maximum(np.hypot(centre[:, 0], centre[:, 1]), 1e-12)
    angle = np.arctan2(centre[:, 0] * arm[:, 1] - centre[:, 1] * arm[:, 0], (centre * arm).sum(axis=1)) % (2 * np.pi)
    cosine = (card.RADIUS**2 - offset**2 - radius**2) / (2 * offset * radius)
    exit_angle = np.arccos(np.clip(cosine, -1, 1))
    travelled = np.where(turn > 0, 2 * np.pi - exit_angle - angle, angle - exit_angle)
    return np.where(cosine < 1, travelled * radius, np.inf)
