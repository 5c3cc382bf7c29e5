"""Read pickles of numpy arrays without letting them run anything.

A pickle names the functions that rebuild its objects, and loading an ordinary one calls whatever it names. Here only
the names that numpy writes for plain arrays are known, and they lead to the small stand-ins below, not to numpy's own
functions: whatever else a file asks for is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

_PLAIN = ("f8", "f4", "i8", "i4", "i2", "u8", "u4", "b1")


class _ArrayClass:
    """Stands for ``numpy.ndarray`` where a pickle names the class to rebuild."""


class _Dtype:
    """Stands for ``numpy.dtype`` of a plain number."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in _PLAIN:
            raise pickle.UnpicklingError(f"an array of type '{code}' is not plain numbers")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">", "|": "|", "=": "="}[state[1]]

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class _Array:
    """Stands for an array whose values follow in its state."""

    values: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.values = _from_buffer(data, dtype, shape, "F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> NDArray[Any]:
    flat: NDArray[Any] = np.frombuffer(data, dtype=dtype.numpy())
    return flat.reshape(shape, order=order)


def _rebuilt(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> _Array:
    array = _Array()
    array.values = _from_buffer(data, dtype, shape, order)
    return array


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _rebuilt,
    ("numpy._core.numeric", "_frombuffer"): _rebuilt,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which is not part of an array") from None


def load_arrays(file: IO[bytes]) -> Any:
    """Load lists, tuples, dicts, numbers, strings and plain numpy arrays from a pickle.

    Raises:
        pickle.UnpicklingError: the pickle holds anything else.
        Exception: the file is damaged; bytes that are no pickle can raise nearly any error.
    """
    return _plain(_ArrayUnpickler(file).load())


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value
