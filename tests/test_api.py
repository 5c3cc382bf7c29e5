"""The Python interface, as a notebook uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raise_hpo
from raise_hpo.errors import UserError

from .notebook import SINE

ROOT = Path(__file__).resolve().parent.parent

TUNES = """
import json

if __name__ == "__main__":
    content = {"max_epochs": 3, "budget": {"trials": 4}, "searcher": "random"}
    study = raise_hpo.tune(content, trainable=Sine, name="sine", slots=1)
    print(json.dumps([study.name, study.status()["state"], len(study.trials()), study.best().epoch]))
"""


def test_a_class_of_a_script_is_tuned_without_a_file(tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(SINE + TUNES)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["sine", "finished", 4, 3]
    study = raise_hpo.load_study(str(tmp_path / "studies" / "sine"))
    best = study.best()
    assert best is not None
    values = [trial.values[3] for trial in study.trials() if trial.epoch == 3]
    assert best.value == min(values)


def test_an_unknown_study_names_those_there_are(studies: Path) -> None:
    (studies / "mlpf-1").mkdir(parents=True)
    (studies / "mlpf-1" / "journal.jsonl").write_text("begun")
    with pytest.raises(UserError, match="did you mean 'mlpf-1'"):
        raise_hpo.load_study("mlfp-1")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'tunne'"):
        raise_hpo.tunne  # noqa: B018
