"""Images too large to hold raw: compressed by blosc2 in one file, mapped into memory, decompressed a batch at a time.

After the in-memory compression of K. Bhattacharya et al., "Scaling studies for deep learning in LArTPC event
classification" (CHEP 2019), with one copy for all processes of a node instead of one each.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError


class CompressedStore:
    """Images of one shape, each a compressed chunk of its own.

    Args:
        path: A file that `build` has written. It is mapped into memory: what is read of it is shared by all processes
            of the node, and can be dropped by the system when memory is short.

    Raises:
        UserError: There is no such file, or it is no store.
    """

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise UserError(f"there is no image store '{path}'")
        try:
            self._chunks: Any = blosc2.open(str(path), mode="r", mmap_mode="r")
            self.shape = tuple(self._chunks.vlmeta["shape"])
            self.dtype = np.dtype(self._chunks.vlmeta["dtype"])
        except (RuntimeError, KeyError, OSError) as error:
            raise UserError(f"'{path}' is not an image store: {error}") from error

    @staticmethod
    def build(path: str | Path, images: Iterable[NDArray[Any]], level: int = 5) -> CompressedStore:
        """Compress images one at a time into a file, which appears only when it is whole, and open it.

        Args:
            path: The file.
            images: Arrays of one shape and type; raw, no more than one of them is held at a time.
            level: Zstandard's level in blosc2, 0-9; decompression is about as fast at all of them.

        Raises:
            UserError: There are no images, or one differs from the first in shape or type.
        """
        stream = iter(images)
        first = next(stream, None)
        if first is None:
            raise UserError(f"there are no images to store in '{path}'")
        part = Path(path).with_name(f".{Path(path).name}.part")
        part.unlink(missing_ok=True)
        try:
            chunks = _new(part, first, level)
            for number, image in enumerate(chain([first], stream)):
                _check_alike(image, first, number)
                chunks.append_data(np.ascontiguousarray(image))
            del chunks
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return CompressedStore(path)

    def __len__(self) -> int:
        return int(self._chunks.nchunks)

    @property
    def nbytes(self) -> int:
        """Bytes of all images, uncompressed."""
        return int(self._chunks.nbytes)

    @property
    def ratio(self) -> float:
        """Uncompressed by compressed bytes."""
        return float(self._chunks.nbytes / self._chunks.cbytes)

    def __getitem__(self, images: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Decompress some images: ``(len(images), *shape)``, in the order asked for."""
        batch = np.empty((len(images), *self.shape), self.dtype)
        for place, number in zip(batch, images, strict=True):
            self._chunks.decompress_chunk(int(number), dst=place)
        return batch


def _new(path: Path, image: NDArray[Any], level: int) -> Any:
    # Shuffled bytes compress best where most of a pixel's bytes are 0.
    packing = {"codec": blosc2.Codec.ZSTD, "clevel": level, "filters": [blosc2.Filter.SHUFFLE]}
    chunks: Any = blosc2.SChunk(
        chunksize=image.nbytes, urlpath=str(path), contiguous=True, cparams={**packing, "typesize": image.itemsize}
    )
    chunks.vlmeta["shape"] = list(image.shape)
    chunks.vlmeta["dtype"] = image.dtype.str
    return chunks


def _check_alike(image: NDArray[Any], first: NDArray[Any], number: int) -> None:
    if image.shape != first.shape or image.dtype != first.dtype:
        raise UserError(
            f"image {number} is {image.shape} of {image.dtype}, the first one {first.shape} of {first.dtype}; "
            "images of a store must be alike"
        )
