from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raise_hpo.errors import UserError
from tests.trainables.ucluster import fakes
from trainables.ucluster import schema


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    arrays = fakes.arrays(7)
    assert schema.write_rows([schema.to_table(arrays)], tmp_path / "a.parquet", {"seed": 3}) == 7
    table = pq.read_table(tmp_path / "a.parquet")
    for name, values in arrays.items():
        found = table[name].combine_chunks()
        flat = found.flatten() if values.ndim > 1 else found
        np.testing.assert_array_equal(np.asarray(flat), values.ravel())
    assert schema.provenance(tmp_path / "a.parquet")["seed"] == 3


def test_row_groups_have_the_same_size_however_rows_came(tmp_path: Path) -> None:
    one = schema.to_table(fakes.arrays(30))
    tables = [one.slice(0, size) for size in (30, 7, 0, 25)] * 45
    assert schema.write_rows(tables, tmp_path / "a.parquet", {}) == 62 * 45
    data = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [data.row_group(i).num_rows for i in range(data.num_row_groups)] == [1000, 1000, 790]


def test_a_file_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    def tables() -> list[pa.Table]:
        yield schema.to_table(fakes.arrays(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.write_rows(tables(), tmp_path / "a.parquet", {})
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        schema.write_rows([], tmp_path / "no" / "a.parquet", {})
    with pytest.raises(UserError, match="raise-hpo data generate jets"):
        schema.check_rows(tmp_path / "a.parquet", schema.JET_COLUMNS)
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        schema.check_rows(tmp_path / "text.parquet", schema.JET_COLUMNS)
    fakes.write_jets(tmp_path / "jets.parquet", 2)
    with pytest.raises(UserError, match="no column 'point_cat'; did you mean 'points'"):
        schema.check_rows(tmp_path / "jets.parquet", schema.EVENT_COLUMNS, schema.EVENT_COLUMNS)
    pq.write_table(pa.table({"points": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"'points' of .* has type double, it should be fixed_size_list"):
        schema.check_rows(tmp_path / "other.parquet", ["points"])
    schema.check_rows(tmp_path / "jets.parquet", schema.JET_COLUMNS)
