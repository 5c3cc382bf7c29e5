"""``raise-hpo data convert``: public files become the event files that a trainable reads."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from raise_hpo.cli.data.progress import progress_bars
from raise_hpo.cli.data.words import tell

convert_app = typer.Typer(help="Turn public files into the files a trainable reads.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The Parquet file to write.")]


@convert_app.command("mlpf")
def convert_mlpf(
    sources: Annotated[list[Path], typer.Argument(help="Files *.pkl.bz2 of Zenodo 4559324, or Delphes *.root.")],
    out: Out,
) -> None:
    """Turn public particle-flow files into one Parquet file."""
    _convert("mlpf", sources, out, "events")


@convert_app.command("jets")
def convert_jets(
    sources: Annotated[list[Path], typer.Argument(help="HDF5 files of the HLS4ML jets, or of the LHC Olympics 2020.")],
    out: Out,
) -> None:
    """Turn public jets into one Parquet file, for UCluster."""
    _convert("ucluster", sources, out, "jets")


@convert_app.command("showers")
def convert_showers(
    sources: Annotated[list[Path], typer.Argument(help="HDF5 files of CLIC's calorimeter, as for 3DGAN.")],
    out: Out,
) -> None:
    """Turn public calorimeter showers into one Parquet file, for 3DGAN."""
    _convert("calogan", sources, out, "showers")


@convert_app.command("lartpc")
def convert_lartpc(
    sources: Annotated[list[Path], typer.Argument(help="HDF5 files of KevLAr or LArCV3.")],
    out: Out,
) -> None:
    """Turn images of liquid-argon chambers into one Parquet file."""
    _convert("lartpc", sources, out, "events")


def _convert(trainable: str, sources: list[Path], out: Path, what: str) -> None:
    converter = import_module(f"trainables.{trainable}.convert")
    began = time.monotonic()
    with progress_bars() as progress:
        converter.convert_files(sources, out, progress)
    tell(out, began, what)
