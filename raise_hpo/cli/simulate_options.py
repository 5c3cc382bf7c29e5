"""What ``raise-hpo simulate`` reads from its options: schedulers, workers, numbers of slots, costs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from raise_hpo.drive.simulator import Costs
from raise_hpo.errors import UserError, nearest
from raise_hpo.study import StudySpec
from raise_hpo.yaml_source import YamlError, parse_yaml


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


def elastic_variants(studies: list[StudySpec], written: list[str]) -> list[StudySpec]:
    """Each study with each of the workers written as ``4`` or ``rung 0: 1, rung 2: 4, survivors: 8``.

    Raises:
        UserError: They cannot be read, or a study cannot have them.
    """
    if not written:
        return studies
    changes = [(text, _workers(text)) for text in written]
    return [_with_workers(study, text, change) for study in studies for text, change in changes]


def _workers(text: str) -> dict[str, Any]:
    try:
        value = parse_yaml(f"{{{text}}}" if ":" in text else text, "--workers").data
    except YamlError:
        value = text
    if not isinstance(value, dict):
        return {"workers": value, "survivors": None}
    survivors = value.pop("survivors", None)
    return {"workers": value or 1, "survivors": survivors}


def _with_workers(study: StudySpec, text: str, change: dict[str, Any]) -> StudySpec:
    try:
        return study.changed(resources={**study.resources.model_dump(), **change})
    except UserError as error:
        raise UserError(f"--workers '{text}': {error}") from None


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


_WHOLE = (int, 1, float("inf"), "a whole number above 0")
_VALID: dict[str, tuple[type[int] | type[float], float, float, str]] = {
    "slots_per_node": _WHOLE,
    "epoch_workers": _WHOLE,
    "parallel_efficiency": (float, 0.5, 1.0, "a number from 0.5 (twice as many workers are no faster) to 1"),
}


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
        kind, least, most, valid = _VALID.get(name, (float, 0, float("inf"), "a number, 0 or above"))
        try:
            number = kind(value)
        except ValueError:
            number = -1
        if not (least <= number <= most and number < float("inf")):
            raise UserError(f"--cost {text}: must be {valid}")
        changed: dict[str, Any] = {name: number}
        costs = replace(costs, **changed)
    return costs
