"""``raise-hpo predict``: how well final losses can be guessed from first epochs."""

from __future__ import annotations

from enum import StrEnum
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from raise_hpo.predict.evaluate import Evaluation

predict_app = typer.Typer(help="Predict final losses from the first epochs.", no_args_is_help=True)


class ProtocolName(StrEnum):
    """How rows are scaled."""

    honest = "honest"
    talk = "talk"


class SamplerOption(StrEnum):
    """Who solves the optimization problem of `qsvr`."""

    simulated_annealing = "simulated_annealing"
    dwave = "dwave"


@predict_app.callback()
def predict() -> None:
    """Predict final losses from the first epochs."""


@predict_app.command()
def evaluate(
    curves: Annotated[str, typer.Option(help="Table of learning curves (.csv, .parquet), or a study.")],
    known: Annotated[float, typer.Option(min=0.0, max=1.0, help="Known share of each curve.")] = 0.25,
    train: Annotated[str, typer.Option(help="Numbers of training curves.")] = "20,50,100,200",
    splits: Annotated[int, typer.Option(min=1, help="Random splits in training and test rows.")] = 1000,
    grouped: Annotated[bool, typer.Option("--grouped", help="Keep re-trainings of a configuration together.")] = False,
    predictor: Annotated[str, typer.Option(help="Predictors: svr, qsvr, svr-committee, talk-svr, last.")] = "svr,last",
    points: Annotated[str, typer.Option(help="Machines of a committee x training curves of each.")] = "4x20",
    sampler: Annotated[SamplerOption, typer.Option(help="Sampler of qsvr.")] = SamplerOption.simulated_annealing,
    protocol: Annotated[
        ProtocolName, typer.Option(help="talk: losses scaled to quantiles over all rows, test rows included.")
    ] = ProtocolName.honest,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes; figures but times do not depend on it.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Evaluate predictors on random splits of a table: R², rank correlation, hits of the best quarter.

    The last value's rank correlation and hits, on the same splits, stand beside.
    """
    from raise_hpo.curves import CurveTable
    from raise_hpo.predict.evaluate import Evaluation, Task

    task = Task.of(CurveTable.read(curves), known, protocol.value)
    chosen = _options(predictor, points, sampler.value, scaled=protocol is ProtocolName.talk)
    evaluation = Evaluation(task, chosen, _numbers(train), splits, grouped, seed)
    scores = [score.summary() for score in evaluation.run(processes)]
    if json:
        print(dumps({"curves": curves, "known": known, "left_out": task.left_out, "scores": scores}))
    else:
        _show(scores, evaluation)


def _options(predictors: str, points: str, sampler: str, scaled: bool) -> dict[str, dict[str, Any]]:
    """The predictors by name with their options; the last value is always among them."""
    from raise_hpo.errors import UserError, nearest
    from raise_hpo.predict.names import PREDICTORS

    machines, _, each = points.partition("x")
    if not (machines.isdecimal() and each.isdecimal() and int(machines) > 0 and int(each) > 1):
        raise UserError(f"--points is {points!r}; valid: machines x training curves of each, such as 4x20")
    committee = {"machines": int(machines), "points": int(each)}
    known: dict[str, dict[str, Any]] = {
        "qsvr": {**committee, "sampler": sampler},
        "svr-committee": committee,
        "talk-svr": {"scaled": scaled},
    }
    chosen = [*predictors.replace(" ", "").split(","), "last"]
    for name in chosen:
        if name not in PREDICTORS:
            raise UserError(f"--predictor: {name!r} is unknown, {nearest(name, PREDICTORS)}")
    return {name: known.get(name, {}) for name in chosen}


def _numbers(text: str) -> tuple[int, ...]:
    from raise_hpo.errors import UserError

    numbers = text.replace(" ", "").split(",")
    if not all(number.isdecimal() and int(number) >= 2 for number in numbers):
        raise UserError(f"--train is {text!r}; valid: whole numbers from 2 on, such as 20,50,100")
    return tuple(int(number) for number in numbers)


def _show(scores: list[dict[str, Any]], evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    task = evaluation.task
    splits = "grouped splits" if evaluation.grouped else "splits"
    print(
        f"{len(task.finals)} curves of {task.groups.max() + 1} configurations ({task.left_out} left out), "
        f"{task.curves.shape[1]} epochs known, {evaluation.splits} {splits}"
    )
    columns = ("train", "predictor", "best", "worst", "mean", "std", "rank", "last's", "hit", "last's", "fit ms")
    table = Table(*columns, title="R² of the final loss; rank correlation; hits of the best quarter")
    last = {score["train"]: score for score in scores if score["predictor"] == "last"}
    for score in scores:
        figures = [score[name] for name in ("best", "worst", "mean", "std")]
        beside = last[score["train"]]
        pairs = [score["rank"], beside["rank"], score["hit"], beside["hit"]]
        cells = [f"{figure:.3f}" for figure in [*figures, *pairs]]
        table.add_row(str(score["train"]), score["predictor"], *cells, f"{score['fit_ms']:.1f}")
    Console(width=110).print(table)
