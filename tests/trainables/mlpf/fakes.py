"""Made-up events: the right columns and sizes, particles that resemble their elements."""

import numpy as np
import torch

from trainables.mlpf.data import Events
from trainables.mlpf.schema import CHARGED_HADRON, NEUTRAL_HADRON, NONE, PHOTON, TOWER, TRACK, Event


def event(size: int, seed: int) -> Event:
    """An event of tracks, all charged hadrons, and towers of three classes."""
    rng = np.random.default_rng(seed)
    kind = np.where(np.arange(size) < size // 2, TRACK, TOWER)
    pt, eta, phi = rng.exponential(3.0, size) + 0.3, rng.uniform(-2.4, 2.4, size), rng.uniform(-np.pi, np.pi, size)
    energy = pt * np.cosh(eta)
    x = np.zeros((size, 12))
    x[:, :6] = np.stack([kind, pt, eta, np.sin(phi), np.cos(phi), energy], axis=1)
    x[kind == TRACK, 6:10] = np.stack([eta, np.sin(phi), np.cos(phi), np.sign(phi)], axis=1)[kind == TRACK]
    x[kind == TOWER, 6] = energy[kind == TOWER]
    classes = np.where(kind == TRACK, CHARGED_HADRON, rng.choice([NONE, NEUTRAL_HADRON, PHOTON], size))
    noisy = rng.lognormal(0.0, 0.1, size)
    y = np.stack([classes, x[:, 9], pt * noisy, eta, np.sin(phi), np.cos(phi), energy * noisy], axis=1)
    y[classes == NONE] = 0.0
    return Event(x.astype(np.float32), y.astype(np.float32), np.zeros((size, 7), np.float32))


def batch(*sizes: int, seed: int = 0) -> Events:
    """Events of the given sizes, as a batch."""
    made = [event(size, seed + i) for i, size in enumerate(sizes)]
    x, y = (torch.from_numpy(np.concatenate([getattr(one, name) for one in made])) for name in ("x", "ygen"))
    return Events(x, y, torch.tensor(sizes))
