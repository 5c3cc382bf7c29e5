"""``raise-hpo scaling``: how much faster more workers train, and how much sooner more slots end a study."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from raise_hpo.scaling import Measurement
    from raise_hpo.study import StudySpec


def scaling(
    study: Annotated[str, typer.Argument(help="A study file, or the name of a trainable, such as mlpf.")],
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="1,2,4",
            help="Data-parallel workers that train the default configuration; powers of two as far as they fit, if "
            "neither this nor --slots is given.",
        ),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="weak,strong",
            help="weak: each worker has the batch of one and an equal share of the data, so that more workers train "
            "on more. strong: the same data in the same joint batches, divided among the workers.",
        ),
    ] = "weak,strong",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs that are timed, after one to warm up.")] = 3,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Samples a batch of one worker; the default configuration's if not given.")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(
            metavar="1,2,4", help="Run the study really with so many trials at a time; simulate what is more."
        ),
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Simulate all of --slots from --curves instead of running them.")
    ] = False,
    curves: Annotated[
        str | None,
        typer.Option(help="What to simulate from: a study's name or folder, or a .csv or .parquet table of curves."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file or a dimension."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scaling.html, .csv and .json; scaling-STUDY if not given.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")] = False,
) -> None:
    """Measure scaling: an epoch's time over data-parallel workers, and a study's over slots.

    Both are measured by training, on this machine or on the cluster that RAY_ADDRESS names. (To simulate how trials
    that take turns scale on cold and on warm slots, see 'raise-hpo simulate --scaling'.)
    """
    from rich.console import Console

    from raise_hpo.cli.simulate_options import counts
    from raise_hpo.scaling import Measurement
    from raise_hpo.study import load_study_file

    spec = load_study_file(study, set_ or [])
    console = Console(stderr=True, soft_wrap=True, quiet=json)
    measurement = Measurement(
        study=spec,
        workers=counts("workers", workers, "1,2,4") if workers else ([] if slots else None),
        modes=_modes(mode),
        epochs=epochs,
        batch=batch,
        slots=counts("slots", slots, "1,2,4") if slots else [],
        simulated=simulated,
        curves=curves,
        say=lambda words: console.print(words, style="dim", markup=False, highlight=False),
    )
    measurement.check()
    _measure(measurement, _folder(out, spec), json)
    if measurement.failures:
        raise typer.Exit(1)


def _modes(written: str) -> list[str]:
    """The modes in ``weak,strong``.

    Raises:
        UserError: One of them is unknown.
    """
    from raise_hpo.drive.data_parallel import MODES
    from raise_hpo.errors import UserError, nearest

    words = [word.strip() for word in written.split(",")]
    for word in words:
        if word not in MODES:
            raise UserError(f"--mode {written}: '{word}' is unknown, {nearest(word, MODES)}")
    return [mode for mode in MODES if mode in words]


def _folder(out: Path | None, study: StudySpec) -> Path:
    """The folder for the results, made.

    Raises:
        UserError: It cannot be.
    """
    from raise_hpo.errors import UserError

    folder = (out or Path(f"scaling-{study.name}")).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be made ({error.strerror})") from None
    return folder


def _measure(measurement: Measurement, folder: Path, as_json: bool) -> None:
    """Measure, and tell what there is even where it broke off."""
    from rich.console import Console

    try:
        measurement.run(folder)
    finally:
        document = measurement.document()
        if document["workers"] or document["slots"] or document["failures"]:
            _tell(document, folder, as_json, Console())


def _tell(document: dict[str, object], folder: Path, as_json: bool, console: Console) -> None:
    from raise_hpo.report.scaling import save_scaling, scaling_words

    page = save_scaling(document, folder)
    if as_json:
        print(dumps(document))
    else:
        console.print(scaling_words(document))
        console.print(f"See {page}", soft_wrap=True, highlight=False)
