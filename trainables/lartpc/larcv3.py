"""Reads the HDF5 files of LArCV3 (https://github.com/DeepLearnPhysics/larcv3) with h5py alone.

A product is a group ``Data/<product>_<producer>_group``; its ``extents`` tell, for each event, the first row and the
number of rows. Images are ``sparse2d``: rows of ``voxel_extents`` are planes, and each has a range of ``voxels``, the
position in the flattened image and the value. ``particle`` has the true particles, of which the first is the primary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from raise_hpo.errors import UserError

from .particles import LABELS
from .readout import Sparse, clipped
from .schema import Event, Shape


def is_larcv3(file: Any) -> bool:
    """Whether an open HDF5 file is one of LArCV3."""
    return "Data" in file and "Events" in file


def read_larcv3(path: str, file: Any) -> tuple[Shape, Iterator[Event]]:
    """The shape of the images of an open file, and its events.

    Args:
        path: The file's name, for messages.
        file: The open HDF5 file.

    Raises:
        UserError: The file has no sparse images or no particles, or images that differ in shape.
    """
    images, particles = (_product(path, file, kind) for kind in ("sparse2d", "particle"))
    sizes = np.unique(images["image_meta"]["number_of_voxels"], axis=0)
    planes = np.unique(images["extents"]["N"])
    if len(sizes) != 1 or sizes.shape[1] != 2 or len(planes) != 1:
        raise UserError(f"images of '{path}' differ in shape: {sizes.tolist()} pixels on {planes.tolist()} planes")
    ticks, wires = (int(number) for number in sizes[0])
    shape = (int(planes[0]), ticks, wires)
    return shape, _events(path, images, particles, shape)


def _product(path: str, file: Any, kind: str) -> Any:
    """The first group of a product, whoever its producer is."""
    found = sorted(name for name in file["Data"] if name.startswith(f"{kind}_") and name.endswith("_group"))
    if not found:
        raise UserError(f"'{path}' has no '{kind}' among its products: {', '.join(sorted(file['Data'])) or 'none'}")
    return file["Data"][found[0]]


def _events(path: str, images: Any, particles: Any, shape: Shape) -> Iterator[Event]:
    of_image, of_particle = images["extents"][:], particles["extents"][:]
    if len(of_image) != len(of_particle):
        raise UserError(
            f"'{path}' is damaged: it has images of {len(of_image)} events, particles of {len(of_particle)}"
        )
    planes, primaries = images["voxel_extents"][:], particles["particles"]
    for image, particle in zip(of_image, of_particle, strict=True):
        if particle["N"] == 0:
            continue
        first = primaries[particle["first"]]
        pdg = int(first["pdg"])
        if abs(pdg) not in LABELS:
            continue
        own = planes[image["first"] : image["first"] + image["N"]]
        momentum = math.hypot(first["px"], first["py"], first["pz"])
        yield Event(_image(path, images["voxels"], own, shape), LABELS[abs(pdg)], pdg, momentum, math.nan)


def _image(path: str, voxels: Any, planes: Any, shape: Shape) -> Sparse:
    """The pixels of all planes of an event, in order."""
    positions, values, area = [np.empty(0, np.int64)], [np.empty(0)], shape[1] * shape[2]
    for plane in np.sort(planes, order="ID"):
        found = voxels[plane["first"] : plane["first"] + plane["N"]]
        if plane["ID"] >= shape[0] or (len(found) and found["id"].max() >= area):
            raise UserError(f"'{path}' is damaged: a voxel lies outside of images of the shape {shape}")
        order = np.argsort(found["id"])
        positions.append(found["id"][order].astype(np.int64) + int(plane["ID"]) * area)
        values.append(found["value"][order])
    counts = clipped(np.concatenate(values))
    kept = counts != 0
    return Sparse(np.concatenate(positions)[kept].astype(np.int32), counts[kept])
