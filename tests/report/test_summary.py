from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from raise_hpo.folder import StudyFolder
from raise_hpo.report.summary import closing_words, summary
from raise_hpo.track.cursor import Cursor
from tests.report.studies import make_study


def said(document: dict[str, object]) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(closing_words(document))
    return out.getvalue()


def test_the_keys_that_scripts_rely_on(finished: StudyFolder) -> None:
    found = json.loads(json.dumps(summary(finished)))
    promised = (
        "study state folder seed trials best default epochs seconds busy_fraction journal mlflow why metric mode report"
    )
    assert set(promised.split()) <= set(found)
    assert {"total", "finished", "stopped", "failed"} <= set(found["trials"])
    assert {"trial", "value", "config", "epoch"} <= set(found["best"])
    assert {"value", "trial", "epoch"} <= set(found["default"])
    assert (found["study"], found["state"], found["seed"], found["metric"], found["mode"]) == (
        "finished", "finished", 3, "val_loss", "min",
    )  # fmt: skip
    assert found["mlflow"] == f"sqlite:///{finished.path}/mlflow.db"
    assert Path(found["journal"]).is_file()


def test_best_and_default_are_given_at_the_same_epoch(finished: StudyFolder) -> None:
    found, history = summary(finished), finished.history()
    assert found["best"]["epoch"] == found["default"]["epoch"] == 9
    assert found["default"]["value"] == history.trials[0].values[9]
    assert found["best"]["value"] == history.trials[found["best"]["trial"]].values[9]


def test_a_study_without_its_driver_is_interrupted(broken_off: StudyFolder) -> None:
    assert broken_off.history().state == "running"
    assert summary(broken_off)["state"] == "interrupted"
    assert "raise-hpo resume broken-off" in said(summary(broken_off))


def test_a_study_with_a_driver_is_running(root: Path) -> None:
    folder = make_study(root / "driven", reports=5)
    hold = (
        "import sys; from pathlib import Path; from raise_hpo.folder import DriverLock, StudyFolder\n"
        "lock = DriverLock(StudyFolder(Path(sys.argv[1]))); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as driver:
        assert driver.stdout is not None and driver.stdin is not None
        assert driver.stdout.readline() == b"held\n"
        assert summary(folder)["state"] == "running"
        assert "resume" not in said(summary(folder))
        driver.stdin.close()
    assert summary(folder)["state"] == "interrupted"


def test_the_closing_words_name_best_gain_report_and_mlflow(finished: StudyFolder) -> None:
    words = said(summary(finished))
    assert "finished finished: 18 trials are done" in words
    assert "% better than the default configuration's" in words and "at the same epoch" in words
    assert "lr: 0.00" in words
    assert str(finished.report) in words if finished.report.exists() else "raise-hpo report finished" in words
    assert "raise-hpo ui finished" in words
    assert "resume" not in words


def test_what_mlflow_lacks_is_said_with_the_command_that_sends_it(root: Path) -> None:
    folder = make_study(root / "lacking [red]", reports=5)
    last = folder.history().last_seq
    assert f"lacks the last {last + 1} events" in said(summary(folder))
    assert f"python -m raise_hpo.track '{folder.path}'" in said(summary(folder))
    Cursor(seq=last).save(folder)
    assert summary(folder)["mlflow_missing"] == 0
    assert "lacks" not in said(summary(folder))


def test_a_study_in_which_nothing_worked_can_be_told(root: Path) -> None:
    def broken(config: object, epoch: int) -> dict[str, float]:
        raise RuntimeError("no")

    found = summary(make_study(root / "hopeless", curve=broken, budget={"trials": 3}))
    assert found["best"] is None and found["gain"] is None
    assert found["trials"]["failed"] == 3
    assert "no trial has reported val_loss" in said(found)


def test_an_empty_journal_can_be_told(root: Path) -> None:
    path = root / "empty"
    path.mkdir()
    (path / "journal.jsonl").write_bytes(b'{"seq":0,"torn')
    found = summary(StudyFolder(path))
    assert (found["study"], found["state"], found["trials"]["total"]) == ("empty", "new", 0)
    said(found)


def test_the_default_being_the_best_is_said(root: Path) -> None:
    found = summary(make_study(root / "only", budget={"trials": 1}))
    assert found["gain"] == 0.0
    assert "which is the default configuration itself" in said(found)
