"""What is said of an event file that was written."""

from __future__ import annotations

import time
from pathlib import Path

import typer


def tell(out: Path, began: float, what: str = "events") -> None:
    """Say what was written: how much, how large, and how long it took.

    Args:
        out: The Parquet file.
        began: The monotonic clock when the work began.
        what: What a row is, in the plural.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(out)
    rows, size = file.metadata.num_rows, out.stat().st_size
    elements = ""
    if what == "events" and "n" in file.schema_arrow.names:
        elements = f" of {file.read(['n'])['n'].to_numpy().mean():.0f} elements on average"
    typer.echo(
        f"{out}: {rows} {what}{elements}, {size / rows / 1e3:.3g} kB each, {size / 1e6:.2f} MB in "
        f"{time.monotonic() - began:.0f} s"
    )
