"""Event files for training: which columns of them are read, and by what names a study may give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raise_hpo.data.sources import check_columns, find_parquet
from raise_hpo.errors import UserError
from trainables.event_files import named_sources

from .schema import FEATURES, POINTS

SAMPLE = Path(__file__).parent / "sample"
"""The folder of the sample that ships with the package, used where the study names no data."""
KEYS = ("train", "valid", "max_events", "memory_gib")
"""What the ``data`` section of a study may hold: two sources of rows, and how many of each to use and to hold."""
Shapes = dict[str, tuple[int, ...]]
JETS: Shapes = {"points": (POINTS, len(FEATURES)), "mass_cat": (), "label": (), "jet_mass": ()}
"""What multiclass training reads; labels are read to measure accuracy and never learnt from."""
EVENTS: Shapes = {
    "points": (POINTS, len(FEATURES)),
    "point_cat": (POINTS,),
    "globals": (4,),
    "label": (),
    "dijet_mass": (),
}
"""What anomaly detection reads."""


def sources(data: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the sources of training and validation rows that a study's ``data`` section names.

    Raises:
        UserError: a key is unknown, missing or has an impossible value.
    """
    return named_sources(data, KEYS, "ucluster", SAMPLE)


def check_data(data: Mapping[str, Any]) -> None:
    """Check a study's ``data`` section and the footers of the files it names, of jets or of events.

    Raises:
        UserError: a file is missing, is not whole, or has the columns of neither kind.
    """
    for source in sources(data):
        files = find_parquet(source)
        try:
            check_columns(files, JETS)
        except UserError as error:
            try:
                check_columns(files, EVENTS)
            except UserError:
                raise error from None
