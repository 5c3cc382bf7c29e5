"""``raise-hpo train``: the long training of one configuration."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from raise_hpo.cli.train_options import Epochs, Patience, Seed, Workers, plan_of

if TYPE_CHECKING:
    from raise_hpo.train.training import Training

Repeated = list[str] | None


def train(
    study: Annotated[
        str | None,
        typer.Argument(
            help="A study's name or folder, a study file, or a trainable's name; the most recent study if not given."
        ),
    ] = None,
    config: Annotated[
        str, typer.Option(help="best of the study's last run, default, a trial's number, or a YAML file.")
    ] = "best",
    workers: Workers = None,
    epochs: Epochs = None,
    patience: Patience = None,
    seed: Seed = None,
    set_: Annotated[
        Repeated, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file.")
    ] = None,
    data: Annotated[
        Repeated, typer.Option("--data", metavar="KEY=VALUE", help="Short for --set data.KEY=VALUE.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train anew, not from where the same command left off.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON document, print nothing else.")] = False,
) -> None:
    """Train one configuration for long, on many nodes; the same command goes on with a training that broke off."""
    from rich.console import Console

    from raise_hpo.train.training import Training
    from raise_hpo.train.words import EpochLines

    overrides = [*(set_ or []), *(f"data.{each}" for each in data or [])]
    plan = plan_of(study, config, overrides, workers, epochs, patience, seed)
    lines = EpochLines(Console(soft_wrap=True), plan.epochs)
    training = Training(plan, fresh, lines) if not json else Training(plan, fresh)
    run_training(training, json)


def run_training(training: Training, as_json: bool) -> None:
    """Run, say how it ended, and exit with the code that says the same.

    Raises:
        typer.Exit: With the exit code.
        KeyboardInterrupt: Interrupted before the training had begun.
    """
    from rich.console import Console

    from raise_hpo.cli.run import DONE, FAILED, INTERRUPTED
    from raise_hpo.train.words import closing_words, training_summary

    codes = {"finished": DONE, "failed": FAILED}
    try:
        code = codes.get(training.run().state, INTERRUPTED)
    except KeyboardInterrupt:
        if not training.folder.begun:
            raise
        code = INTERRUPTED
    summary = training_summary(training.folder)
    if as_json:
        print(dumps(summary))
    else:
        Console().print(closing_words(summary))
    raise typer.Exit(code)
