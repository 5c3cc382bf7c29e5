"""Tables of learning curves: what is read from files and studies, which space is inferred, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.history import History
from raise_hpo.journal import Event, Journal
from raise_hpo.space import SearchSpace
from raise_hpo.space.infer import infer_dimension
from tests.helpers import SHARED_DATA, simulator, spec

MLPF = SHARED_DATA / "mlpf-curves" / "delphes_trainings_processed.csv"

SPACE = {
    "lr": "loguniform(1e-4, 1e-1)",
    "conv": "choice([gnn, attention])",
    "gnn.bins": {"choice": [16, 32, 64], "when": {"conv": "gnn"}},
    "shape": {"choice": [[8, 8], [16], None, "auto", True]},
    "layers": "randint(1, 5)",
    "flag": "choice([false, true])",
}


def rows(count: int = 30, epochs: int = 4, seed: int = 0) -> CurveTable:
    rng = np.random.default_rng(seed)
    space = SearchSpace.parse(SPACE)
    losses = rng.random((count, epochs))
    losses[3, 2:] = np.nan
    losses[4, 1:] = np.inf
    return CurveTable("made", space, [space.sample(rng) for _ in range(count)], losses, rng.random(count) + 0.1)


@pytest.mark.parametrize(
    ("values", "notation"),
    [
        ([16, 8, 64, 32] * 4, "choice([8, 16, 32, 64])"),
        ([0, 1, 2, 3, 4] * 4, "randint(0, 5)"),
        ([10, 20, 30] * 4, "qrandint(10, 30, 10)"),
        ([1, 3, 5] * 4, "choice([1, 3, 5])"),
        ([0.1, 0.2, 0.5] * 4, "choice([0.1, 0.2, 0.5])"),
        ([True, False] * 4, "choice([false, true])"),
        (["gnn", "attention"] * 4, "choice([attention, gnn])"),
        ([7] * 8, "choice([7])"),
        (list(range(1, 21)), "randint(1, 21)"),
        ([2**power for power in range(14)], "lograndint(1, 8193)"),
        (np.geomspace(1e-5, 1e-1, 20).tolist(), "loguniform(1e-05, 0.1)"),
        (np.linspace(0.001, 0.5, 40).tolist(), "uniform(0.001, 0.5)"),
        (np.linspace(-1, 1, 20).tolist(), "uniform(-1.0, 1.0)"),
    ],
)
def test_a_dimension_is_inferred_from_its_values(values: list[Any], notation: str) -> None:
    assert infer_dimension(values).notation == notation
    assert all(infer_dimension(values).contains(value) for value in values)


def test_a_parquet_file_keeps_conditions_and_choices_of_all_kinds(tmp_path: Path) -> None:
    table = rows()
    table.write(tmp_path / "made.parquet")
    read = CurveTable.read(tmp_path / "made.parquet")
    assert read.space == table.space
    assert read.configs == table.configs
    assert [list(map(type, config.values())) for config in read.configs] == [
        list(map(type, config.values())) for config in table.configs
    ]
    np.testing.assert_array_equal(read.losses, table.losses)
    np.testing.assert_array_equal(read.seconds, table.seconds)
    assert read.name == "made"


def test_complete_rows_are_those_that_went_to_the_end_and_stayed_finite() -> None:
    table = rows()
    complete = table.complete()
    assert len(complete) == len(table) - 2
    assert np.isfinite(complete.losses).all()
    assert complete.configs == [config for row, config in enumerate(table.configs) if row not in (3, 4)]
    assert complete.seconds is not None and table.seconds is not None
    assert complete.seconds[-1] == table.seconds[-1]


def test_units_are_the_spaces_own() -> None:
    table = rows()
    assert table.units().shape == (30, 6)
    np.testing.assert_array_equal(table.units()[7], table.space.to_unit(table.configs[7]))


@pytest.mark.skipif(not MLPF.is_file(), reason=f"the recorded MLPF trainings are not at {MLPF}")
def test_the_recorded_trainings_of_mlpf() -> None:
    table = CurveTable.read(MLPF)
    assert (len(table), table.epochs, len(set(table.groups))) == (296, 100, 183)
    notation = {name: dimension.notation for name, dimension in table.space.dimensions.items()}
    assert notation["bin_size"] == "choice([8, 16, 32, 64, 128])"
    assert notation["n_glayers_id"] == "randint(0, 5)"
    assert notation["lr"].startswith("loguniform(")
    assert notation["dropout"].startswith("uniform(")
    assert table.configs[0]["bin_size"] == 64 and isinstance(table.configs[0]["bin_size"], int)
    assert table.seconds is None


def test_equal_configurations_share_a_group() -> None:
    table = rows(count=6)
    twice = CurveTable("twice", table.space, table.configs + table.configs, np.vstack([table.losses] * 2))
    assert twice.groups.tolist() == [0, 1, 2, 3, 4, 5] * 2


def test_a_csv_row_ends_at_its_first_missing_loss_and_an_index_column_is_none(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",lr,loss_0,loss_1,loss_2\n0,0.1,5,,4\n1,0.2,5,inf,inf\n2,0.3,,,\n3,0.4,3,2,1\n")
    table = CurveTable.read(path)
    assert list(table.space.dimensions) == ["lr"]
    np.testing.assert_array_equal(table.losses, [[5, np.nan, np.nan], [5, np.inf, np.inf], [3, 2, 1]])


# Studies


def study_history(**changes: Any) -> tuple[list[Event], History]:
    events: list[Event] = []
    sim = simulator(spec(**changes), events, slots=2)
    sim.run()
    return events, sim.core.history


def test_a_study_is_read_from_its_journal(studies: Path) -> None:
    events, history = study_history()
    (studies / "mine").mkdir(parents=True)
    with Journal(studies / "mine" / "journal.jsonl") as journal:
        journal.append(events)
    table = CurveTable.read("mine")
    assert table.name == "mine"
    assert table.configs == [trial.config for trial in history.trials]
    assert table.space.to_dict() == history.study["search_space"]
    for row, trial in zip(table.losses, history.trials, strict=True):
        assert row[: trial.epoch].tolist() == list(trial.values.values())
        assert np.isnan(row[trial.epoch :]).all()
    assert table.seconds is not None and (table.seconds == 1.0).all()
    table.write(studies / "mine.parquet")
    again = CurveTable.read(studies / "mine.parquet")
    assert again.configs == table.configs and again.space == table.space


def test_a_studys_losses_are_to_be_made_small_and_a_diverged_trial_is_infinite() -> None:
    def curve(config: Any, epoch: int) -> dict[str, float]:
        return {"score": float("nan") if config["layers"] == 4 and epoch == 2 else float(epoch)}

    events: list[Event] = []
    study = spec(objective={"metric": "score", "mode": "max"}, scheduler="none", default=False)
    sim = simulator(study, events, curve=curve)
    sim.run()
    table = CurveTable.of_history(sim.core.history, "scores")
    diverged = np.array([config["layers"] == 4 for config in table.configs])
    assert diverged.any() and not diverged.all()
    assert (table.losses[~diverged] == -np.arange(1, 10)).all()
    assert (table.losses[diverged] == [-1.0] + [np.inf] * 8).all()


def test_trials_that_began_from_another_ones_checkpoint_have_no_curve_of_their_own() -> None:
    _, history = study_history()
    history.trials[2].parent = (0, 3)
    table = CurveTable.of_history(history, "mine")
    assert len(table) == len(history.trials) - 1


# Mistakes

LOSSES = "loss_0,loss_1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr,width\n1,2\n", ["no columns loss_0", "lr, width"]),
        ("lr,loss_0,loss_2\n1,2,3\n", ["loss_1 is missing", "loss_2"]),
        (f"{LOSSES}\n1,2\n", ["no column of a hyperparameter"]),
        (f"lr,{LOSSES}\n1,2,x\n", ["column loss_1", "'x'", "row 1", "not a number"]),
        (f"lr,{LOSSES}\n1,,\n", ["no row with a loss_0"]),
        (f"lr,{LOSSES}\n1,2,3\n,2,3\n", ["column lr has no value in row 2"]),
        (f"lr,{LOSSES}\ninf,2,3\n1,2,3\n", ["column lr", "infinite"]),
        (f"learning rate,{LOSSES}\n1,2,3\n", ["learning rate", "not a valid key"]),
        (f"lr,{LOSSES},seconds_per_epoch\n1,2,3,0\n", ["seconds_per_epoch", "above 0"]),
        (f"run,{LOSSES}\n" + "".join(f"r{row},1,2\n" for row in range(60)), ["column run", "over 50 texts"]),
        ("", ["not a CSV table"]),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_sentence(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        CurveTable.read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    for words in said:
        assert words in message


def test_what_is_not_there_or_no_table_is_refused(tmp_path: Path, studies: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        CurveTable.read(tmp_path / "none.csv")
    with pytest.raises(UserError, match="no study"):
        CurveTable.read("nosuchstudy")
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(UserError, match=r"\.csv or \.parquet"):
        CurveTable.read(tmp_path / "t.xlsx")
    (tmp_path / "t.parquet").write_text("x")
    with pytest.raises(UserError, match="not a Parquet file"):
        CurveTable.read(tmp_path / "t.parquet")


def test_a_parquet_file_from_elsewhere_has_its_space_inferred(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pd.DataFrame({"lr": np.geomspace(1e-4, 1e-1, 20), "loss_0": 1.0}).to_parquet(path)
    assert CurveTable.read(path).space.dimensions["lr"].notation == "loguniform(0.0001, 0.1)"


def test_a_study_without_reports_has_no_curves() -> None:
    events: list[Event] = []
    sim = simulator(spec(), events)
    with pytest.raises(UserError, match="no trial has reported"):
        CurveTable.of_history(sim.core.history, "new")
