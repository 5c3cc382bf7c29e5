"""What trainables learn from: Parquet rows, shared on a node or streamed, compressed images, and files fetched once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raise_hpo.data.copies import node_copy
    from raise_hpo.data.rows import open_rows, rows_of
    from raise_hpo.data.store import CompressedStore

__all__ = ["CompressedStore", "node_copy", "open_rows", "rows_of"]

_HOMES = {"CompressedStore": "store", "node_copy": "copies", "open_rows": "rows", "rows_of": "rows"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, as torch and blosc2 are slow to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
