"""How a training is asked for, by ``train`` and by ``submit --train``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from raise_hpo.train.plan import Plan

Workers = Annotated[
    int | None, typer.Option(min=1, help="Data-parallel workers; as the study file has it if not given.")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs at most; the study's max_epochs if not given.")]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many epochs without a better value; never if not given.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed; the study's if not given.")]


def plan_of(
    study: str | None, config: str, overrides: Sequence[str], workers: int | None, epochs: int | None,
    patience: int | None, seed: int | None, option: str = "--config",
) -> Plan:  # fmt: skip
    """The plan that the options make; `option` is the one that `config` was given by.

    Raises:
        UserError: There is no such study or configuration, or the trainable or its data cannot be used.
    """
    from raise_hpo.train.choose import choose
    from raise_hpo.train.plan import Plan

    choice = choose(study, config, overrides, option)
    places = workers or choice.study.resources_of(choice.config).starting_workers
    return Plan(choice, epochs or choice.study.max_epochs, places, seed, patience)
