"""``raise-hpo simulate``: what a study would find and cost, before it is run."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from raise_hpo.drive.compare import Comparison
    from raise_hpo.study import StudySpec


def simulate(
    study: Annotated[str, typer.Argument(help="A study file, or the name of a trainable, such as mlpf.")],
    curves: Annotated[
        str, typer.Option(help="Recorded learning curves: a study's name or folder, or a .csv or .parquet table.")
    ],
    slots: Annotated[str, typer.Option(help="Trials at a time, as they start; each is simulated.")] = "4,16,96",
    schedulers: Annotated[
        str | None,
        typer.Option(metavar="A,B+C", help="Schedulers, or SEARCHER+SCHEDULER, to compare; else the study's own."),
    ] = None,
    workers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|RUNG: N",
            help="Workers to compare, on as many places: 4, or 'rung 0: 1, rung 2: 4, survivors: 8'.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Simulations of each; medians are shown.")] = 3,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file or a dimension."),
    ] = None,
    epoch_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of every epoch, instead of those of the curves.")
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="What is not training: start_seconds, build_seconds, group_seconds, reload_seconds, "
            "checkpoint_seconds, report_seconds, failures_per_node_hour, recovery_seconds, slots_per_node, "
            "parallel_efficiency, epoch_workers, busy_watts, idle_watts.",
        ),
    ] = None,
    scaling: Annotated[
        bool,
        typer.Option(
            "--scaling",
            help="Also simulate how cold and warm slots scale when trials take turns; 'raise-hpo scaling' measures.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write every simulation to a .csv or .json file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")] = False,
) -> None:
    """Forecast a study on a virtual clock: best value against time, hours, energy and idle share.

    The study's own searcher, scheduler and budget decide. Configurations that were trained have their recorded curves,
    others modelled ones. With the curves of a study, the costs are those measured in it.
    """
    from dataclasses import replace

    from raise_hpo.cli.simulate_options import changed_costs, elastic_variants, slot_counts, variants
    from raise_hpo.curves import CurveTable
    from raise_hpo.drive.compare import Comparison
    from raise_hpo.drive.measured import costs_of
    from raise_hpo.study import load_study_file

    spec = load_study_file(study, set_ or [])
    counts, studies = slot_counts(slots), elastic_variants(variants(spec, schedulers), workers or [])
    table = CurveTable.read(curves)
    measured = costs_of(curves)
    costs = changed_costs(replace(measured, epoch_workers=0) if epoch_seconds else measured, cost or [])
    comparison = Comparison.prepare(spec, table, costs, epoch_seconds)
    _simulate(comparison, studies, counts, seeds)
    if scaling:
        comparison.compare_scaling(counts)
    _tell(comparison.document(), out, json)


def _simulate(comparison: Comparison, studies: list[StudySpec], slots: list[int], seeds: int) -> None:
    """Run all simulations, with a bar on the terminal's error stream."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    forecasts = comparison.simulate(studies, slots, seeds)
    total = len(studies) * len(slots) * seeds
    for _ in track(forecasts, "simulating", total, console=console, transient=True, disable=not console.is_terminal):
        pass


def _tell(document: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from rich.console import Console

    from raise_hpo.report.forecast import forecast_words, save_forecast

    if out:
        save_forecast(document, out)
    if as_json:
        print(dumps(document))
    else:
        Console().print(forecast_words(document))
