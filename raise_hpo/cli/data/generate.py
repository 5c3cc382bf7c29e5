"""``raise-hpo data generate``: events for a trainable."""

from __future__ import annotations

import time
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from raise_hpo.cli.data.progress import progress_bars
from raise_hpo.cli.data.words import tell

generate_app = typer.Typer(help="Generate events for a trainable.", no_args_is_help=True)


class Process(StrEnum):
    """Hard processes that MLPF events can be generated for."""

    ttbar = "ttbar"
    qcd = "qcd"


Out = Annotated[Path, typer.Option(help="The Parquet file to write.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same events.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes; the events do not depend on it.")]


@generate_app.command("mlpf")
def generate_mlpf(
    out: Out,
    process: Annotated[Process, typer.Option(help="Hard process, at 14 TeV.")] = Process.ttbar,
    events: Annotated[int, typer.Option(help="Number of events.")] = 1000,
    pileup: Annotated[float, typer.Option(help="Mean number of pile-up collisions an event.")] = 20.0,
    seed: Seed = 1,
    pool: Annotated[int, typer.Option(help="Minimum-bias collisions to draw pile-up from.")] = 2000,
    jobs: Jobs = 1,
) -> None:
    """Generate proton collisions (Pythia 8) seen by a CMS-like detector, for particle flow."""
    _generate("mlpf", (process.value, events, pileup, seed, pool), out, jobs, "events")


@generate_app.command("jets")
def generate_jets(
    out: Out,
    process: Annotated[str, typer.Option(help="Kinds of jets, in equal shares: letters of w, z, t, g, q.")] = "wzt",
    events: Annotated[int, typer.Option(help="Number of jets, before those outside the mass window go.")] = 3000,
    pt_min: Annotated[float, typer.Option(help="Least pT of a jet in GeV.")] = 800.0,
    pt_max: Annotated[float, typer.Option(help="Largest pT of a jet in GeV.")] = 1200.0,
    mass_min: Annotated[float, typer.Option(help="Jets of less mass, in GeV, are left out.")] = 10.0,
    mass_max: Annotated[float, typer.Option(help="Jets of more mass, in GeV, are left out.")] = 200.0,
    underlying_event: Annotated[bool, typer.Option(help="Whether the protons' other partons interact too.")] = True,
    seed: Seed = 1,
    jobs: Jobs = 1,
) -> None:
    """Generate W, Z, top, gluon and quark jets at 13 TeV (Pythia 8, anti-kT R = 0.8 by FastJet), for UCluster."""
    recipe = (process, events, seed, pt_min, pt_max, mass_min, mass_max, underlying_event)
    _generate("ucluster", recipe, out, jobs, "jets")


@generate_app.command("showers")
def generate_showers(
    out: Out,
    events: Annotated[int, typer.Option(help="Number of showers.")] = 1000,
    particle: Annotated[str, typer.Option(help="What starts them: electron, positron or photon.")] = "electron",
    least_energy: Annotated[float, typer.Option(help="Lowest energy in GeV.")] = 10.0,
    most_energy: Annotated[float, typer.Option(help="Highest energy in GeV; all between are alike often.")] = 500.0,
    least_angle: Annotated[float, typer.Option(help="Least polar angle in degrees; 90 is along the normal.")] = 90.0,
    most_angle: Annotated[float, typer.Option(help="Largest angle; other than the least, cells are 51x51x25.")] = 90.0,
    cut_electron: Annotated[float, typer.Option(help="MeV below which electrons are not followed.")] = 1.0,
    cut_photon: Annotated[float, typer.Option(help="MeV below which photons are not followed.")] = 0.1,
    cut_radiation: Annotated[float, typer.Option(help="MeV below which radiation is a continuous loss.")] = 1.0,
    source: Annotated[
        str, typer.Option(help="'cascade', or module:function of a program of yours, such as Geant4.")
    ] = "cascade",
    seed: Seed = 1,
    jobs: Jobs = 1,
) -> None:
    """Generate showers in a calorimeter of tungsten and silicon, for 3DGAN, by a cascade of our own: not Geant4."""
    angles, cuts = (least_angle, most_angle), (cut_electron, cut_photon, cut_radiation)
    recipe = (events, seed, particle, least_energy, most_energy, *angles, *cuts, source)
    _generate("calogan", recipe, out, jobs, "showers")


@generate_app.command("lartpc")
def generate_lartpc(
    out: Out,
    events: Annotated[int, typer.Option(help="Number of events, of all five classes in turn.")] = 1000,
    size: Annotated[int, typer.Option(help="Pixels of an image in both directions; 3600 is the full window.")] = 512,
    wires: Annotated[int, typer.Option(help="Wires that a pixel sums up.")] = 1,
    ticks: Annotated[float, typer.Option(help="Ticks that a pixel sums up; 0: chosen by the size.")] = 0.0,
    least: Annotated[float, typer.Option(help="Lowest momentum in MeV/c.")] = 100.0,
    most: Annotated[float, typer.Option(help="Highest momentum in MeV/c.")] = 1000.0,
    seed: Seed = 1,
    jobs: Jobs = 1,
) -> None:
    """Generate single particles in liquid argon, seen by three planes of wires."""
    _generate("lartpc", (events, size, seed, wires, ticks, least, most), out, jobs, "events")


def _generate(trainable: str, recipe: tuple[Any, ...], out: Path, jobs: int, what: str) -> None:
    generator = import_module(f"trainables.{trainable}.generate")
    began = time.monotonic()
    with progress_bars() as progress:
        generator.generate_file(generator.Recipe(*recipe), out, jobs, progress)
    tell(out, began, what)
