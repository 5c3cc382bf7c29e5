"""``raise-hpo data generate``: each workload's events, as a user asks for them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raise_hpo.cli import app
from raise_hpo.errors import UserError

COMMANDS = {
    "mlpf": ("--events 2 --pileup 0", "events of"),
    "jets": ("--events 3 --process wt --mass-max 2000", "jets, "),
    "showers": ("--events 3 --least-energy 1 --most-energy 2", "showers, "),
    "lartpc": ("--events 3 --size 64 --wires 4", "events, "),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_events_are_generated_and_told(what: str, tmp_path: Path) -> None:
    arguments, said = COMMANDS[what]
    out = tmp_path / "made.parquet"
    done = CliRunner().invoke(app, ["data", "generate", what, *arguments.split(), "--seed", "3", "--out", str(out)])
    assert done.exit_code == 0, done.output
    rows = pq.read_metadata(out).num_rows
    assert rows == int(arguments.split()[1]) and f"{out}: {rows} {said}" in done.output.replace("\n", "")


@pytest.mark.parametrize("what", COMMANDS)
def test_a_wrong_number_is_told_in_a_sentence(what: str, tmp_path: Path) -> None:
    arguments = ["data", "generate", what, "--events", "0", "--out", str(tmp_path / "none.parquet")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UserError) and "events is 0, it must be" in str(done.exception)
    assert not list(tmp_path.iterdir())
