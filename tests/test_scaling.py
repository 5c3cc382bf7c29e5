"""`raise-hpo scaling` as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from raise_hpo.cli import main
from raise_hpo.folder import all_studies
from tests.report.studies import make_study
from tests.test_cli import STUDY, raise_hpo


def write_study(folder: Path, **changes: object) -> str:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return str(file)


MISTAKES = {
    "no number": (["--workers", "1,two"], {}, ["--workers 1,two", "'two' is no number of workers", "1,2,4"]),
    "no worker": (["--workers", "0"], {}, ["--workers 0", "valid: 1,2,4"]),
    "no slot": (["--slots", "-1"], {}, ["--slots -1", "'-1' is no number of slots"]),
    "unknown mode": (["--workers", "1", "--mode", "wek"], {}, ["--mode wek", "'weak'? valid: weak, strong"]),
    "uneven batch": (["--workers", "1,5"], {}, ["--workers 5", "batch of 32"]),
    "hours": (["--slots", "1"], {"budget": {"hours": 1.5}}, ["--slots", "budget.hours is 1.5", "budget.trials"]),
    "no curves": (["--slots", "1", "--simulated"], {}, ["--simulated", "--curves"]),
    "unknown curves": (["--slots", "1", "--curves", "no.csv"], {}, ["no.csv", "no such file"]),
    "unknown override": (["--workers", "1", "--set", "widht=3"], {}, ["widht", "did you mean 'width'"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_starts(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options, changes, words = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["raise-hpo", "scaling", write_study(tmp_path, **changes), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said.strip().splitlines()) == 1, said
    for word in words:
        assert word in said
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_too_many_workers_are_told_how_many_are_possible(tmp_path: Path) -> None:
    file = write_study(tmp_path, resources={"cpus": 0.5})
    done = raise_hpo("scaling", file, "--workers", "1,4096", "--mode", "weak", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "--workers 4096" in done.stderr and "0.5 CPU(s) and 0 GPU(s)" in done.stderr
    assert "are possible" in done.stderr


def test_workers_and_slots_are_measured_and_written(tmp_path: Path) -> None:
    file = write_study(tmp_path, resources={"cpus": 0.5}, max_epochs=2)
    done = raise_hpo(
        "scaling", file, "--workers", "1,2", "--epochs", "2", "--slots", "1,2,4096", "--set", "budget.trials=10",
        "--set", "scheduler=none", "--out", "measured", "--json", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads((tmp_path / "measured" / "scaling.json").read_text())
    workers = [(row["mode"], row["workers"], row["batch"], len(row["epochs"])) for row in document["workers"]]
    assert workers == [("weak", 1, 32, 2), ("weak", 2, 32, 2), ("strong", 1, 32, 2), ("strong", 2, 16, 2)]
    slots = [(row["how"], row["slots"], row["epochs"]) for row in document["slots"]]
    assert slots == [("run", 1, 20), ("run", 2, 20), ("simulated", 1, 20), ("simulated", 4096, 20)]
    for row in document["slots"]:
        assert row["seconds"] > 0 and 0 < row["busy"] <= 1
    assert document["machine"]["nodes"] == 1
    assert any("4096 slots do not fit here" in note for note in document["notes"])
    names = {study.name for study in all_studies(tmp_path / "studies")}
    assert names == {"Line-slots-1-1", "Line-slots-2-1"}
    assert "Slots of the study" in (tmp_path / "measured" / "scaling.html").read_text()


def test_slots_are_simulated_from_a_study_that_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = make_study(tmp_path / "studies" / "before")
    monkeypatch.chdir(tmp_path)
    arguments = ["scaling", str(before.study_file), "--slots", "1,4", "--simulated", "--curves", "before", "--json"]
    monkeypatch.setattr(sys, "argv", ["raise-hpo", *arguments, "--set", "default=false"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    one, four = document["slots"]
    assert (one["slots"], one["how"], four["slots"], four["how"]) == (1, "simulated", 4, "simulated")
    assert four["speed_up"] == pytest.approx(one["seconds"] / four["seconds"]) and four["speed_up"] > 1.5
    assert four["efficiency"] == pytest.approx(four["speed_up"] / 4)
    assert document["workers"] == [] and document["machine"] == {}
    assert (tmp_path / "scaling-mlpf" / "scaling.html").is_file()


@pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend
def test_the_cluster_that_ray_address_names_is_used_and_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from raise_hpo.drive.cluster import LocalRay

    file = write_study(tmp_path, resources={"cpus": 1.5}, max_epochs=1, budget={"trials": 1}, scheduler="none")
    with LocalRay(cpus=7):
        monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
        options = ["--workers", "2", "--mode", "weak", "--epochs", "1", "--slots", "1", "--json"]
        done = raise_hpo("scaling", file, *options, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert any(node["Alive"] for node in ray.nodes())
    document = json.loads(done.stdout)
    assert document["machine"]["cpus"] == 7.0
    assert [(row["workers"], row["speed_up"]) for row in document["workers"]] == [(2, 1.0)]
    assert [(row["slots"], row["how"]) for row in document["slots"]] == [(1, "run")]
