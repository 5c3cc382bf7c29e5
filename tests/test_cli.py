"""The command line as a user runs it: one clear sentence for each mistake, the promised exit codes and JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from raise_hpo.journal import read

ROOT = Path(__file__).resolve().parent.parent

STUDY = {
    "trainable": "tests.toys:Line",
    "search_space": {"lr": "loguniform(1e-4, 1e-1)", "width": "choice([4, 8, 16])"},
    "searcher": "random",
    "scheduler": {"asha": {"mode": "promotion"}},
    "max_epochs": 4,
    "budget": {"trials": 6},
}


def raise_hpo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "raise_hpo", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
    )


def write_study(folder: Path, **changes: object) -> str:
    (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return "study.yaml"


BAD_STUDIES = {
    "unknown key": ({"serchar": "tpe"}, ["study.yaml line {serchar:}", "serchar", "did you mean 'searcher'"]),
    "wrong type": ({"max_epochs": "many"}, ["study.yaml line {max_epochs:}", "max_epochs", "many", "whole number"]),
    "empty space": ({"search_space": {}}, ["study.yaml line {search_space:}", "search_space", "has no dimensions"]),
    "min over max": ({"search_space": {"lr": "uniform(2, 1)"}}, ["study.yaml line {  lr:}", "lr", "uniform(2, 1)"]),
    "unknown searcher": ({"searcher": "tpee"}, ["searcher", "did you mean 'tpe'"]),
    "no such dimension": ({"search_space": {"widht": "choice([4, 8])"}}, ["widht", "did you mean 'width'"]),
    "unknown trainable": ({"trainable": "mlfp"}, ["mlfp", "did you mean 'mlpf'"]),
    "too many workers": ({"resources": {"workers": 4096}}, ["4096 worker(s)", "and there are"]),
}


@pytest.mark.parametrize("mistake", BAD_STUDIES)
def test_a_mistake_in_the_study_file_is_one_sentence(mistake: str, tmp_path: Path) -> None:
    changes, words = BAD_STUDIES[mistake]
    done = raise_hpo("tune", write_study(tmp_path, **changes), folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert with_line(word, tmp_path / "study.yaml") in done.stderr
    assert not list(tmp_path.glob("studies/*"))


def with_line(words: str, file: Path) -> str:
    """Put the number of the line that begins with what stands in braces in its place."""
    head, brace, beginning = words.partition("{")
    if not brace:
        return words
    lines = file.read_text().splitlines()
    return head + str(1 + next(number for number, line in enumerate(lines) if line.startswith(beginning[:-1])))


def test_a_missing_study_file_names_what_there_is(tmp_path: Path) -> None:
    write_study(tmp_path)
    done = raise_hpo("tune", "studdy.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "studdy.yaml" in done.stderr and "study.yaml" in done.stderr and "mlpf" in done.stderr


def broken_sample(tmp_path: Path, kind: str) -> Path:
    sample = files("trainables.mlpf").joinpath("sample", "valid.parquet").read_bytes()
    path = tmp_path / "events.parquet"
    if kind != "missing":
        path.write_bytes({"truncated": sample[: len(sample) // 2], "not Parquet": b"event 1: 3 tracks"}[kind])
    return path


@pytest.mark.parametrize("kind", ["missing", "truncated", "not Parquet"])
def test_data_that_cannot_be_read_is_said_before_anything_starts(kind: str, tmp_path: Path) -> None:
    path = broken_sample(tmp_path, kind)
    done = raise_hpo("tune", "mlpf", "--set", f"data.train={path}", "--set", f"data.valid={path}", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(path) in done.stderr
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("command", ["status", "resume", "report", "log", "stop", "ui"])
def test_an_unknown_study_is_one_sentence(command: str, tmp_path: Path) -> None:
    done = raise_hpo(command, "nowhere", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("raise-hpo: no study")


def test_a_damaged_journal_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "hurt"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text('{"seq":0,"event":"study","crc":"00000000"}\n{"seq":1}\n')
    done = raise_hpo("status", "hurt", folder=tmp_path)
    assert done.returncode == 2
    assert "journal.jsonl line 1 is damaged" in done.stderr


def test_a_study_from_start_to_end_and_what_is_told_of_it(tmp_path: Path) -> None:
    done = raise_hpo(
        "tune", write_study(tmp_path), "--set", "budget.trials=7", "--name", "whole", "--json", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    for key in (
        "study",
        "state",
        "folder",
        "seed",
        "best",
        "default",
        "epochs",
        "seconds",
        "busy_fraction",
        "journal",
        "mlflow",
    ):
        assert key in summary
    assert (summary["study"], summary["state"], summary["trials"]["total"]) == ("whole", "finished", 7)
    assert {"trial", "value", "config"} <= set(summary["best"])
    status = json.loads(raise_hpo("status", "whole", "--json", folder=tmp_path).stdout)
    assert status == summary
    listed = json.loads(raise_hpo("list", "--json", folder=tmp_path).stdout)
    assert [study["study"] for study in listed] == ["whole"]
    events = [json.loads(line) for line in raise_hpo("log", "whole", "--json", folder=tmp_path).stdout.splitlines()]
    assert events == read(tmp_path / "studies" / "whole" / "journal.jsonl")
    folder = tmp_path / "studies" / "whole"
    for name in ("journal.jsonl", "study.yaml", "report.html", "mlflow.db", "best/checkpoint.pt", "best/config.yaml"):
        assert (folder / name).is_file(), name
    again = raise_hpo("resume", "whole", folder=tmp_path)
    assert again.returncode == 2 and "study whole is finished" in again.stderr
    taken = raise_hpo("tune", "study.yaml", "--name", "whole", folder=tmp_path)
    assert taken.returncode == 2 and "study 'whole' exists" in taken.stderr


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "the study did not get that far"
        time.sleep(0.02)


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    file = write_study(folder, config={"epoch_seconds": 0.3}, budget={"trials": 30})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "raise_hpo", "tune", file, "--name", name],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    journal = folder / "studies" / name / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 8)
    return process


def test_stop_ends_after_the_running_epochs_and_a_second_driver_is_kept_out(tmp_path: Path) -> None:
    process = start(tmp_path, "halted")
    second = raise_hpo("resume", "halted", folder=tmp_path)
    assert second.returncode == 2
    assert f"is being run by process {process.pid}" in second.stderr
    assert json.loads(raise_hpo("status", "halted", "--json", folder=tmp_path).stdout)["state"] == "running"
    assert raise_hpo("stop", "halted", folder=tmp_path).returncode == 0
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "raise-hpo resume halted" in output
    events = read(tmp_path / "studies" / "halted" / "journal.jsonl")
    assert (events[-1]["event"], events[-1]["state"]) == ("stopped", "stopped")
    idle = raise_hpo("stop", "halted", folder=tmp_path)
    assert idle.returncode == 2 and "is not running" in idle.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_the_journal_and_says_how_to_go_on(number: int, tmp_path: Path) -> None:
    process = start(tmp_path, "interrupted")
    process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "raise-hpo resume interrupted" in output
    assert "Traceback" not in output + errors
    events = read(tmp_path / "studies" / "interrupted" / "journal.jsonl")
    assert (events[-1]["event"], events[-1]["state"]) == ("stopped", "interrupted")


def test_an_interrupt_before_anything_was_begun_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "raise_hpo", "tune", write_study(tmp_path), "--name", "early"],
        cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    lock = tmp_path / "studies" / "early" / "driver.lock"
    wait_until(lambda: lock.exists() and bool(lock.read_text()))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in output + errors
    assert not lock.parent.exists()


def test_importing_brings_neither_ray_nor_torch() -> None:
    imports = "import sys, raise_hpo, raise_hpo.decide, raise_hpo.study"
    code = f"{imports}; print(sorted({{'ray', 'torch', 'optuna'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
