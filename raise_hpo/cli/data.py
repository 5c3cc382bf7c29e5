"""``raise-hpo data``: generate events, convert public files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Progress = Callable[[str, int, int], None]

data_app = typer.Typer(help="Generate events and convert public files.", no_args_is_help=True)
generate_app = typer.Typer(help="Generate events for a trainable.", no_args_is_help=True)
convert_app = typer.Typer(help="Turn public files into the files a trainable reads.", no_args_is_help=True)
data_app.add_typer(generate_app, name="generate")
data_app.add_typer(convert_app, name="convert")


class Process(StrEnum):
    """Hard processes that MLPF events can be generated for."""

    ttbar = "ttbar"
    qcd = "qcd"


Out = Annotated[Path, typer.Option(help="The Parquet file to write.")]


@generate_app.command("mlpf")
def generate_mlpf(
    out: Out,
    process: Annotated[Process, typer.Option(help="Hard process, at 14 TeV.")] = Process.ttbar,
    events: Annotated[int, typer.Option(help="Number of events.")] = 1000,
    pileup: Annotated[float, typer.Option(help="Mean number of pile-up collisions an event.")] = 20.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    pool: Annotated[int, typer.Option(help="Minimum-bias collisions to draw pile-up from.")] = 2000,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; the events do not depend on it.")] = 1,
) -> None:
    """Generate proton collisions (Pythia 8) seen by a CMS-like detector, for particle flow."""
    from trainables.mlpf.generate import Recipe, generate_file

    began = time.monotonic()
    recipe = Recipe(process.value, events, pileup, seed, pool)
    with _progress() as progress:
        generate_file(recipe, out, jobs, progress)
    _tell_particle_flow(out, began)


@convert_app.command("mlpf")
def convert_mlpf(
    sources: Annotated[list[Path], typer.Argument(help="Files *.pkl.bz2 of Zenodo 4559324, or Delphes *.root.")],
    out: Out,
) -> None:
    """Turn public particle-flow files into one Parquet file."""
    from trainables.mlpf.convert import convert_files

    began = time.monotonic()
    with _progress() as progress:
        convert_files(sources, out, progress)
    _tell_particle_flow(out, began)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar a step on the terminal's error stream; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True)
    with Bars(console=console, transient=True, disable=not console.is_terminal) as bars:
        steps: dict[str, TaskID] = {}

        def advance(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step)
            bars.update(steps[step], completed=done, total=total)

        yield advance


def _tell_particle_flow(out: Path, began: float) -> None:
    """Say what was written: events, elements an event, sizes, and how long it took."""
    import pyarrow.parquet as pq

    elements = pq.read_table(out, columns=["n"])["n"].to_numpy()
    size = out.stat().st_size
    typer.echo(
        f"{out}: {len(elements)} events of {elements.mean():.0f} elements on average, "
        f"{size / len(elements) / 1e3:.0f} kB an event, {size / 1e6:.2f} MB in {time.monotonic() - began:.0f} s"
    )
