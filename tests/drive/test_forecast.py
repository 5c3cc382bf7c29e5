"""Forecasts: the study's own decisions over recorded curves, and one sentence where study and curves do not fit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from raise_hpo.cli import app
from raise_hpo.cli.simulate_options import changed_costs, elastic_variants, slot_counts, variants
from raise_hpo.curves import CurveTable
from raise_hpo.drive.compare import Comparison
from raise_hpo.drive.forecast import best_by, forecast
from raise_hpo.drive.scaling import scaling
from raise_hpo.drive.simulator import Costs
from raise_hpo.drive.study_curves import Curves
from raise_hpo.errors import UserError
from raise_hpo.journal import Event, Journal
from raise_hpo.space import SearchSpace
from raise_hpo.yaml_source import dump_yaml
from tests.helpers import SPACE, curve, decisions, simulator, spec

LINE = {
    "trainable": "tests.toys:Line",
    "search_space": SPACE,
    "searcher": "random",
    "scheduler": {"asha": {"mode": "promotion"}},
    "max_epochs": 9,
    "budget": {"trials": 20},
    "default": False,
}


def table(count: int = 40, **more: Any) -> CurveTable:
    """Recorded curves of `tests.helpers.curve`, perhaps with further dimensions."""
    rng = np.random.default_rng(3)
    space = SearchSpace.parse({**SPACE, **more})
    configs = [space.sample(rng) for _ in range(count)]
    losses = np.array([[curve(config, epoch)["val_loss"] for epoch in range(1, 10)] for config in configs])
    return CurveTable("recorded", space, configs, losses)


def study(**changes: Any) -> Any:
    return spec(default=False, **changes)


def test_a_forecast_adds_up() -> None:
    costs = Costs(start_seconds=100, build_seconds=5, slots_per_node=2, busy_watts=1000, idle_watts=100)
    told = forecast(study(scheduler="none"), Curves(study(), table()), 4, costs)
    assert told.epochs == 20 * 9 and told.trials == 20
    assert told.seconds == pytest.approx(100 + 5 * (9 + 5))
    assert told.node_hours == pytest.approx(2 * told.seconds / 3600)
    assert told.idle == pytest.approx(100 / told.seconds)
    assert told.kwh == pytest.approx((2 * 100 * told.seconds + 450 * 4 * 70) / 3.6e6)
    values = [value for value in told.best if value is not None]
    assert values == sorted(values, reverse=True)


def test_recorded_configurations_make_the_decisions_that_were_made() -> None:
    events: list[Event] = []
    real = simulator(study(), events, slots=1)
    real.run()
    recorded = CurveTable.of_history(real.core.history, "real")
    again: list[Event] = []
    replay = simulator(study(), again, slots=1, curve=Curves(study(), recorded).metrics)
    replay.run()
    assert without_metrics(again) == without_metrics(events)


def without_metrics(events: list[Event]) -> list[Any]:
    """The decisions; values are compared by what was decided about them, to six digits, in words."""
    return [each[:3] if each[0] == "reported" else each for each in decisions(events)]


def test_a_maximised_objective_is_told_as_such() -> None:
    maximised = study(objective={"metric": "accuracy", "mode": "max"})
    flipped = table()
    flipped.losses[:] = -flipped.losses
    curves = Curves(maximised, flipped)
    assert curves.metrics(flipped.configs[0], 9)["accuracy"] == pytest.approx(-flipped.losses[0, -1])
    best = [value for value in forecast(maximised, curves, 2).best if value is not None]
    assert best == sorted(best) and best[-1] > best[0]


def test_the_best_by_a_time_is_of_what_was_reported_then() -> None:
    events: list[Event] = []
    sim = simulator(study(), events)
    sim.run()
    reports = [(event["time"], event["metrics"]["val_loss"]) for event in events if event["event"] == "reported"]
    told = best_by(sim.core.history, [0.5, 10.0, 1e9])
    assert told[0] is None
    assert told[1] == min(value for time, value in reports if time <= 10.0)
    assert told[2] == min(value for _, value in reports)


# Study and curves


def test_settings_and_defaults_fill_what_the_study_does_not_search() -> None:
    wider = table(width="choice([4, 8])")
    fixed = Curves(study(config={"width": 8}), wider)
    assert fixed.fixed == {"width": 8}
    assert Curves(study(), wider, defaults={"width": 4, "other": 1}).fixed == {"width": 4}
    config = {"lr": 0.01, "layers": 2}
    assert fixed.metrics(config, 9) != Curves(study(), wider, defaults={"width": 4}).metrics(config, 9)


def test_the_studys_conditions_hold_for_a_table_that_knows_none() -> None:
    conditional = {**SPACE, "conv": "choice([gnn, attention])", "bins": {"randint": [1, 9], "when": {"conv": "gnn"}}}
    flat = table(conv="choice([gnn, attention])", bins="randint(1, 9)")
    curves = Curves(study(search_space=conditional), flat)
    assert curves.surrogate.space.conditions.keys() == {"bins"}
    assert np.isfinite(curves.metrics({"lr": 0.01, "layers": 2, "conv": "attention"}, 9)["val_loss"])


@pytest.mark.parametrize(
    ("changes", "more", "said"),
    [
        ({"search_space": {**SPACE, "width": "choice([4, 8])"}}, {}, "'width' is not among the hyperparameters"),
        ({}, {"width": "choice([4, 8])"}, "vary 'width'.*--set config.width="),
        (
            {"search_space": {**SPACE, "act": "choice([elu, relu])"}},
            {"act": "choice([elu, selu])"},
            "'relu'.*elu, selu",
        ),
        ({"config": {"act": "relu"}}, {"act": "choice([elu, selu])"}, "config: 'act' may be 'relu'"),
        ({"max_epochs": 50}, {}, "max_epochs is 50.*--set max_epochs=9"),
    ],
)
def test_a_study_that_does_not_fit_the_curves_is_told_why(changes: dict[str, Any], more: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Curves(study(**changes), table(**more))


def test_notes_say_what_the_forecast_rests_on() -> None:
    partial = table()
    partial.losses[10:, 4:] = np.nan
    wide = study(search_space={"lr": "loguniform(1e-8, 1e-1)", "layers": "randint(1, 5)"})
    notes = " ".join(Comparison.prepare(wide, partial, Costs(), None).notes)
    assert "30 of the 40 trainings were stopped early" in notes
    assert "Only 10 trainings went to the last epoch" in notes
    assert "further than the trainings went" in notes and "lr (trained: 0.0001" in notes
    assert "every epoch takes 1 s" in notes
    complete = " ".join(Comparison.prepare(study(), table(), Costs(), 30.0).notes)
    assert "rank correlation 0.9" in complete or "rank correlation 1.0" in complete
    assert "further" not in complete and "1 s" not in complete


# What is written on the command line


def test_variants_keep_the_options_of_what_they_keep() -> None:
    given = study(scheduler={"asha": {"min_epochs": 2}}, searcher="sobol")
    plain, other, pair = variants(given, "asha, none,random+asha")
    assert plain.scheduler.options["min_epochs"] == 2 and plain.searcher.name == "sobol"
    assert (other.searcher.name, other.scheduler.name) == ("sobol", "none")
    assert (pair.searcher.name, pair.scheduler.options["min_epochs"]) == ("random", 2)
    assert variants(given, None) == [given]
    with pytest.raises(UserError, match=r"--schedulers ashaa: .*did you mean 'asha'"):
        variants(given, "ashaa")


def test_workers_are_read_and_put_into_each_study() -> None:
    written = ["4", "rung 0: 1, rung 2: 4", "survivors: 8"]
    studies = elastic_variants([study(scheduler="asha"), study(resources={"cpus": 2})], written)
    assert [each.resources.told() for each in studies[:3]] == ["4", "rung 0: 1, rung 2: 4", "rung 0: 1, survivors: 8"]
    assert [each.resources.cpus for each in studies] == [1, 1, 1, 2, 2, 2]
    assert elastic_variants(studies, []) == studies
    for wrong, said in (
        ("rung 7: 2", "has rung 7; valid: rung 0 to rung 2"),
        ("x", "is 'x'"),
        ("0", "is 0"),
        (": {", ""),
    ):
        with pytest.raises(UserError, match=rf"--workers '{wrong}'.*{said}"):
            elastic_variants([study()], [wrong])


def test_the_command_compares_workers_on_as_many_places(tmp_path: Path) -> None:
    table().write(tmp_path / "recorded.parquet")
    options = ["--slots", "8", "--seeds", "1", "--epoch-seconds", "60", "--cost", "parallel_efficiency=0.9"]
    workers = ["--workers", "1", "--workers", "4", "--workers", "rung 0: 1, survivors: 4"]
    out = ["--out", str(tmp_path / "out.csv")]
    said = simulate(tmp_path, "--curves", str(tmp_path / "recorded.parquet"), *options, *workers, *out)
    assert said.exit_code == 0, said.output
    for words in ("workers", "survivors: 4", "twice the workers 1.8 times as fast"):
        assert words in said.output, words
    with (tmp_path / "out.csv").open() as file:
        one, four, elastic = csv.DictReader(file)
    assert [each["workers"] for each in (one, four, elastic)] == ["1", "4", "rung 0: 1, survivors: 4"]
    assert one["node_hours"] == str(8 * float(one["seconds"]) / 3600)
    # 20 trials two at a time, each epoch 4 * 0.9**2 times as fast, against eight at a time.
    assert float(elastic["seconds"]) < float(one["seconds"])
    assert float(four["node_hours"]) == pytest.approx(8 * float(four["seconds"]) / 3600)


def test_numbers_of_slots_and_costs_are_checked() -> None:
    assert slot_counts("16, 4,4") == [4, 16]
    for wrong in ("4,x", "0", "", "4,-1"):
        with pytest.raises(UserError, match="is no number of slots"):
            slot_counts(wrong)
    assert changed_costs(Costs(build_seconds=3), ["slots_per_node=4", "busy_watts=5e2"]) == Costs(
        build_seconds=3, slots_per_node=4, busy_watts=500
    )
    with pytest.raises(UserError, match="did you mean 'build_seconds'"):
        changed_costs(Costs(), ["build_second=1"])
    for wrong in ("slots_per_node=0", "slots_per_node=1.5", "build_seconds=-1", "build_seconds=x", "build_seconds=nan"):
        with pytest.raises(UserError, match="must be a"):
            changed_costs(Costs(), [wrong])


def simulate(folder: Path, *arguments: str, columns: str = "200", **changes: Any) -> Any:
    (folder / "study.yaml").write_text(dump_yaml({**LINE, **changes}))
    command = ["simulate", str(folder / "study.yaml"), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=True, env={"COLUMNS": columns})


@pytest.mark.parametrize(("scheduler", "turn"), [({"asha": {"min_epochs": 2}}, 2), ("curve", 1), ("none", 1)])
def test_slots_are_shared_by_turns_as_long_as_the_first_rung(scheduler: Any, turn: int) -> None:
    shared = study(scheduler=scheduler)
    comparison = Comparison.prepare(shared, table(), Costs(reload_seconds=9), 60)
    comparison.compare_scaling([2, 8])
    assert comparison.scaling == scaling([2, 8], turn, 60, Costs(reload_seconds=9))


def test_the_command_compares_schedulers_and_slots(tmp_path: Path) -> None:
    table().write(tmp_path / "recorded.parquet")
    curves = ["--curves", str(tmp_path / "recorded.parquet"), "--epoch-seconds", "60"]
    options = ["--slots", "2,8", "--schedulers", "none,asha", "--seeds", "2", "--scaling", "--cost", "reload_seconds=9"]
    said = simulate(tmp_path, *curves, *options, "--out", str(tmp_path / "out.csv"))
    assert said.exit_code == 0, said.output
    for words in (
        "random + none",
        "random + asha",
        "node-",
        "idle",
        "rank correlation",
        "Left out",
        "cold",
        "warm",
    ):
        assert words in said.output, words
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["scheduler"], row["slots"], row["seed"]) for row in rows] == [
        (scheduler, slots, seed) for scheduler in ("none", "asha") for slots in "28" for seed in "12"
    ]
    assert float(rows[0]["seconds"]) == pytest.approx(20 * 9 * 60 / 2 + 9 * 10)


def test_no_figure_is_cut_on_a_narrow_terminal(tmp_path: Path) -> None:
    table().write(tmp_path / "recorded.parquet")
    options = ["--slots", "2,8", "--schedulers", "none,hyperband", "--seeds", "1", "--epoch-seconds", "600"]
    curves = ["--curves", str(tmp_path / "recorded.parquet")]
    for width, cost in (("100", "busy_watts=0"), ("110", "busy_watts=1500"), ("160", "busy_watts=1500")):
        said = simulate(tmp_path, *curves, *options, "--cost", cost, columns=width)
        assert said.exit_code == 0 and "…" not in said.output.partition("Costs:")[0], said.output
        assert "epochs" in said.output and max(map(len, said.output.splitlines())) <= int(width)


def test_the_command_prints_one_json_document(tmp_path: Path) -> None:
    table().write(tmp_path / "recorded.parquet")
    said = simulate(tmp_path, "--curves", str(tmp_path / "recorded.parquet"), "--slots", "4", "--seeds", "1", "--json")
    document = json.loads(said.output)
    assert document["metric"] == "val_loss" and len(document["runs"]) == 1
    assert document["medians"][0]["best"][-1] == document["runs"][0]["best"][-1]


def test_with_the_curves_of_a_study_the_costs_are_its_own(tmp_path: Path, studies: Path) -> None:
    events: list[Event] = []
    sim = simulator(study(), events, slots=2)
    sim.costs = Costs(build_seconds=3)
    sim.run()
    (studies / "before").mkdir(parents=True)
    stays = {}
    for event in events:
        if event["event"] == "started":
            stays[event["trial"]] = event["began"] + 3
        if event["event"] == "reported" and event["trial"] in stays:
            event["first_batch"] = stays.pop(event["trial"])
    with Journal(studies / "before" / "journal.jsonl") as journal:
        journal.append(events)
    said = simulate(tmp_path, "--curves", "before", "--slots", "2", "--seeds", "1", "--json")
    assert json.loads(said.output)["costs"]["build_seconds"] == pytest.approx(3.0)


def test_a_mistake_is_one_sentence(tmp_path: Path, studies: Path) -> None:
    for arguments, said in (
        (["--curves", "none.csv"], "none.csv: there is no such file"),
        (["--curves", "nosuch"], "no study"),
    ):
        result = simulate(tmp_path, *arguments)
        assert isinstance(result.exception, UserError) and said in str(result.exception)
    table().write(tmp_path / "recorded.parquet")
    curves = ["--curves", str(tmp_path / "recorded.parquet"), "--slots", "4", "--seeds", "1"]
    result = simulate(tmp_path, *curves, "--out", str(tmp_path / "out.txt"))
    assert isinstance(result.exception, UserError) and "must end in .csv or .json" in str(result.exception)


def test_the_default_configuration_is_simulated_or_said_to_be_missing(tmp_path: Path) -> None:
    table().write(tmp_path / "recorded.parquet")
    curves = ["--curves", str(tmp_path / "recorded.parquet"), "--slots", "4", "--seeds", "1", "--json"]
    missing = json.loads(simulate(tmp_path, *curves, default=True, trainable="tests.nowhere:Net").output)
    assert missing["notes"][0].startswith("Without the default configuration's trial: ")
    assert "tests.nowhere" in missing["notes"][0]


def test_the_default_configuration_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = type("Net", (), {"defaults": {"lr": 0.01, "layers": 2, "other": 5}})
    monkeypatch.setattr("raise_hpo.drive.compare.resolve_trainable", lambda name, folder: settings)
    comparison = Comparison.prepare(spec(), table(), Costs(), 1.0)
    assert comparison.default == {"lr": 0.01, "layers": 2}
    assert not any("default" in note for note in comparison.notes)
    (told,) = comparison.simulate([spec()], [1], 1)
    assert told.trials == 20
