"""The documented figures of the race are those of its recorded results."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from search_race import runs, tables  # noqa: E402

RECORDED = runs.read(ROOT / "benchmarks" / "recorded" / "search.jsonl")


def printed() -> dict[str, list[str]]:
    """The cells that the entry point prints for each contestant, of 28 characters each."""
    lines = list(tables.ratio_table(RECORDED, "curve", 1e-4))
    return {line.split()[0]: [line[at : at + 28].strip() for at in range(22, len(line), 28)] for line in lines[3:]}


def documented(document: str, header: str) -> dict[str, list[str]]:
    """The cells of the table with this first line, by the name that each row begins with."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    rows = text.split(header, 1)[1].lstrip("\n").split("\n\n", 1)[0].splitlines()[1:]
    cells = ([cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows)
    return {name: values for name, *values in cells}


def test_the_ratios_in_the_documents_are_those_that_are_printed() -> None:
    assert documented("benchmarks.md", "| contestant | 4 slots | 16 slots | 96 slots |") == printed()
    ours = documented("algorithms.md", "| searcher and scheduler | 4 slots | 16 slots |")
    assert ours
    assert {name: printed()[name][: len(cells)] for name, cells in ours.items()} == ours


def test_the_recorded_results_are_of_one_state_of_each_contestant_and_task() -> None:
    assert list(tables.mixed(RECORDED)) == []
