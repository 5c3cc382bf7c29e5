"""Files of learning curves: a training a row, in CSV or Parquet.

A table has a column a hyperparameter, then ``loss_0``, ``loss_1``, … and optionally ``seconds_per_epoch``. Parquet
files that are written here keep the search space in their metadata; of others it is inferred from the columns.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.errors import UserError
from raise_hpo.space import Choices, Config, Dimension, SearchSpace
from raise_hpo.space.infer import infer_dimension

if TYPE_CHECKING:
    import pandas as pd

Columns = tuple[SearchSpace, list[Config], NDArray[np.float64], NDArray[np.float64] | None]
"""Search space, configurations, losses and, if known, seconds per epoch."""

SECONDS = "seconds_per_epoch"
_LOSS = re.compile(r"loss_(\d+)")
_SPACE = b"raise_hpo.search_space"
_MOST_TEXTS = 50
_EXPECTED = "a table has a column a hyperparameter, then loss_0, loss_1, … and optionally seconds_per_epoch"


def write_parquet(
    path: Path,
    space: SearchSpace,
    configs: list[Config],
    losses: NDArray[np.float64],
    seconds: NDArray[np.float64] | None,
) -> None:
    """Write a table with its search space."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        name: [_stored(dimension, config.get(name)) for config in configs]
        for name, dimension in space.dimensions.items()
    }
    columns |= {f"loss_{epoch}": losses[:, epoch] for epoch in range(losses.shape[1])}
    if seconds is not None:
        columns[SECONDS] = seconds
    table = pa.table(columns)
    metadata = {**(table.schema.metadata or {}), _SPACE: json.dumps(space.to_dict())}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def _read_csv(path: Path) -> Columns:
    import pandas as pd

    try:
        frame = pd.read_csv(path, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not a CSV table ({' '.join(str(error).split())}); {_EXPECTED}") from None
    return _from_frame(path, frame, None)


def _read_parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: is not a Parquet file ({str(error).splitlines()[0]})") from None
    written = (table.schema.metadata or {}).get(_SPACE)
    space = SearchSpace.parse(json.loads(written), str(path)) if written else None
    return _from_frame(path, table.to_pandas(), space)


def _from_frame(path: Path, frame: pd.DataFrame, space: SearchSpace | None) -> Columns:
    frame = frame[[name for name in frame.columns if name and not str(name).startswith("Unnamed:")]]
    losses = _losses(path, frame)
    trained = ~np.isnan(losses[:, 0])
    frame, losses = frame[trained], losses[trained]
    if not len(frame):
        raise UserError(f"{path}: has no row with a loss_0; {_EXPECTED}")
    seconds = _numbers(path, frame, SECONDS) if SECONDS in frame else None
    if seconds is not None and not (np.isfinite(seconds) & (seconds > 0)).all():
        raise UserError(f"{path}: column {SECONDS} must be numbers above 0 in every row")
    names = [str(name) for name in frame.columns if name != SECONDS and not _LOSS.fullmatch(str(name))]
    if not names:
        raise UserError(f"{path}: has no column of a hyperparameter; {_EXPECTED}")
    if space is None:
        space, configs = _inferred(path, frame[names])
    else:
        configs = _stored_configs(path, frame, space)
    return space, configs, losses, seconds


def _losses(path: Path, frame: pd.DataFrame) -> NDArray[np.float64]:
    """The curves, each ended at its first missing value."""
    epochs = sorted(int(match[1]) for name in frame.columns if (match := _LOSS.fullmatch(str(name))))
    if not epochs:
        raise UserError(f"{path}: has no columns loss_0, loss_1, …; it has {', '.join(map(str, frame.columns[:8]))}")
    if gap := sorted(set(range(epochs[-1] + 1)) - set(epochs)):
        raise UserError(f"{path}: column loss_{gap[0]} is missing, though there is a loss_{epochs[-1]}; {_EXPECTED}")
    losses = np.stack([_numbers(path, frame, f"loss_{epoch}") for epoch in epochs], axis=1)
    losses[np.isnan(losses).cumsum(axis=1) > 0] = np.nan
    return losses


def _numbers(path: Path, frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(frame[name], errors="coerce")
    if (strange := frame[name][numbers.isna() & frame[name].notna()]).size:
        raise UserError(f"{path}: column {name} holds {strange.iloc[0]!r} in row {strange.index[0] + 1}, not a number")
    return np.asarray(numbers, dtype=np.float64).copy()


def _inferred(path: Path, frame: pd.DataFrame) -> tuple[SearchSpace, list[Config]]:
    columns = {name: _plain_column(path, frame[name]) for name in frame.columns}
    space = SearchSpace.parse({name: infer_dimension(values) for name, values in columns.items()}, str(path))
    return space, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain_column(path: Path, column: pd.Series) -> list[Any]:
    """A hyperparameter's values as plain Python; whole numbers as such, even where the file has 64.0."""
    if column.isna().any():
        row = column.index[column.isna()][0] + 1
        raise UserError(
            f"{path}: column {column.name} has no value in row {row}; a hyperparameter needs one in every row, "
            "except in Parquet files written with their search space"
        )
    values: list[Any] = column.tolist()
    if all(isinstance(value, float) and value.is_integer() for value in values):
        return [int(value) for value in values]
    if not all(isinstance(value, bool | int | float | str) for value in values):
        raise UserError(f"{path}: column {column.name} must hold numbers, text, true or false")
    if len({value for value in values if isinstance(value, str)}) > _MOST_TEXTS:
        raise UserError(f"{path}: column {column.name} holds over {_MOST_TEXTS} texts, so it is no hyperparameter")
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        raise UserError(f"{path}: column {column.name} holds an infinite number, which no hyperparameter can be")
    return values


# Configurations in a file with its search space


def _needs_json(dimension: Dimension) -> bool:
    """Whether the choices are of several types, or lists, so that a column cannot hold them as they are."""
    return isinstance(dimension, Choices) and len({type(value) for value in [*dimension.values, ""]}) > 1


def _stored(dimension: Dimension, value: Any) -> Any:
    return json.dumps(value) if _needs_json(dimension) and value is not None else value


def _stored_configs(path: Path, frame: pd.DataFrame, space: SearchSpace) -> list[Config]:
    if missing := [name for name in space.dimensions if name not in frame]:
        raise UserError(f"{path}: column {missing[0]} is missing, though the file's own search space has it")
    configs = []
    columns = [frame[name].tolist() for name in space.dimensions]
    for row in zip(*columns, strict=True):
        pairs = zip(space.dimensions.items(), row, strict=True)
        values = {name: _restored(dimension, value) for (name, dimension), value in pairs}
        configs.append(space.only_active(values))
        space.check(configs[-1])
    return configs


def _restored(dimension: Dimension, value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(dimension, Choices):
        return json.loads(value) if _needs_json(dimension) else value
    return dimension.snap(value)


READERS: dict[str, Callable[[Path], Columns]] = {".csv": _read_csv, ".parquet": _read_parquet}
"""What reads a file with that ending."""
