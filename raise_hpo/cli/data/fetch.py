"""``raise-hpo data fetch``: public data sets, with checksums, from wherever they can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raise_hpo.cli.data.progress import progress_bars


def fetch(
    name: Annotated[str | None, typer.Argument(help="The data set's name; all are listed if not given.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to fetch into; of the data set's name if not given.")
    ] = None,
    files: Annotated[str | None, typer.Option(help="Only files of this pattern, like '*_1_*'.")] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="URL of a folder with the same files, tried first; several are possible."),
    ] = None,
    catalogue: Annotated[Path | None, typer.Option(help="A TOML file with data sets of your own.")] = None,
) -> None:
    """Download a public data set; what has come already is kept, checked, and not fetched again."""
    from raise_hpo.data.catalogue import find_public
    from raise_hpo.data.fetch import fetch_file

    if name is None:
        _list(catalogue)
        return
    found = find_public(name, catalogue)
    folder = out or Path(name)
    wanted = found.list_files(files, mirror or ())
    typer.echo(f"{name}: {len(wanted)} files, {sum(file.size for file in wanted) / 1e9:.3g} GB, into {folder}")
    fetched = 0
    for file in wanted:
        with progress_bars(of_bytes=True) as progress:
            fetched += fetch_file(file, folder, progress)
    typer.echo(f"{fetched} fetched, {len(wanted) - fetched} were there already; every checksum is right")
    if found.convert:
        typer.echo(f"next: raise-hpo data convert {found.convert} {folder}/* --out events.parquet")


def _list(catalogue_file: Path | None) -> None:
    from raise_hpo.data.catalogue import catalogue

    for name, found in catalogue(catalogue_file).items():
        typer.echo(f"{name:<12} {found.about}")
