"""What ``raise-hpo simulate`` reads from its options: schedulers, numbers of slots, costs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from raise_hpo.drive.simulator import Costs
from raise_hpo.errors import UserError, nearest
from raise_hpo.study import StudySpec


def variants(study: StudySpec, written: str | None) -> list[StudySpec]:
    """The study with each of the schedulers in ``asha,gp+hyperband``, whose options are the study's or the defaults.

    Raises:
        UserError: There is no such searcher or scheduler.
    """
    found = []
    for word in (written or study.scheduler.name).split(","):
        searcher, _, scheduler = word.strip().rpartition("+")
        changes = {}
        if scheduler != study.scheduler.name:
            changes["scheduler"] = scheduler
        if searcher not in ("", study.searcher.name):
            changes["searcher"] = searcher
        try:
            found.append(study.changed(**changes))
        except UserError as error:
            raise UserError(f"--schedulers {word.strip()}: {error}") from None
    return found


def slot_counts(written: str) -> list[int]:
    """The numbers in ``4,16,96``.

    Raises:
        UserError: One of them is no whole number above 0.
    """
    return counts("slots", written, "4,16,96")


def counts(what: str, written: str, example: str) -> list[int]:
    """The numbers of an option that is named after what it counts, ascending.

    Raises:
        UserError: One of them is no whole number above 0.
    """
    for word in written.split(","):
        if not (word.strip().isascii() and word.strip().isdecimal()) or int(word) < 1:
            raise UserError(
                f"--{what} {written}: '{word.strip()}' is no number of {what}; valid: {example} for instance"
            )
    return sorted({int(word) for word in written.split(",")})


def changed_costs(costs: Costs, written: list[str]) -> Costs:
    """Costs with some of them replaced, each written ``NAME=NUMBER``.

    Raises:
        UserError: There is no cost of that name, or its value cannot be.
    """
    names = [field.name for field in fields(Costs)]
    for text in written:
        name, _, value = text.partition("=")
        if name not in names:
            raise UserError(f"--cost {text}: '{name}' is unknown, {nearest(name, names)}")
        whole = name == "slots_per_node"
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            number = -1
        if not (1 if whole else 0) <= number < float("inf"):
            raise UserError(f"--cost {text}: must be {'a whole number above 0' if whole else 'a number, 0 or above'}")
        changed: dict[str, Any] = {name: number}
        costs = replace(costs, **changed)
    return costs
