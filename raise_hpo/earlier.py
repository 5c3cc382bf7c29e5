"""The learning curves of earlier studies that a study begins from, kept in its folder so that it can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec


def load_earlier(study: StudySpec) -> tuple[CurveTable, ...]:
    """The curves of the studies and tables that a study's ``warm_start`` names.

    Raises:
        UserError: A source is not there or has no curves, or has no dimension in common with the study.
    """
    return tuple(_load(source, study.space) for source in study.warm_start)


def _load(source: str, space: SearchSpace) -> CurveTable:
    try:
        table = CurveTable.read(source)
    except UserError as error:
        raise UserError(f"warm_start: {error}") from None
    if not set(table.space.dimensions) & set(space.dimensions):
        raise UserError(
            f"warm_start: {table.name} has no dimension in common with this study's search space; it has "
            f"{', '.join(table.space.dimensions)}"
        )
    return table


def keep_earlier(folder: StudyFolder, earlier: Sequence[CurveTable]) -> None:
    """Write the curves into the study's folder: a resumed study learns from what it began with, come what may."""
    for place, table in enumerate(earlier):
        folder.earlier.mkdir(exist_ok=True)
        table.write(folder.earlier / f"{place}-{table.name}.parquet")


def kept_earlier(folder: StudyFolder, count: int) -> tuple[CurveTable, ...]:
    """The curves that `keep_earlier` wrote, in their order.

    Args:
        folder: The study's folder.
        count: How many sources the study has.

    Raises:
        UserError: They are not all there, or cannot be read; a study that went on without them would go another way.
    """
    files = {file.stem.partition("-")[0]: file for file in folder.earlier.glob("*-*.parquet")}
    missing = [place for place in map(str, range(count)) if place not in files]
    if missing:
        raise UserError(
            f"{folder.earlier}: {missing[0]}-….parquet is missing, the curves of an earlier study that this one needs"
        )
    tables = (CurveTable.read(files[str(place)]) for place in range(count))
    return tuple(replace(table, name=table.name.partition("-")[2]) for table in tables)
