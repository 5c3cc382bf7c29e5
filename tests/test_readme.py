"""What the README shows works, and what it links to is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from raise_hpo.study import load_study_file

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("trainables/*/README.md"))]


def block(language: str, beginning: str) -> str:
    """The code block that begins so."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return next(text for text in blocks if text.startswith(beginning))


def test_the_own_model_is_tuned_with_one_command(tmp_path: Path) -> None:
    code = block("python", "import torch")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "sine.py").write_text(code)
    command = shlex.split(block("bash", "raise-hpo tune sine.py").strip())
    assert command[0] == "raise-hpo"
    done = subprocess.run(
        [sys.executable, "-m", "raise_hpo", *command[1:], "--json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["trials"] | {"total": 20, "failed": 0} == summary["trials"]
    assert summary["best"]["value"] < summary["default"]["value"]


def test_the_study_file_is_the_one_of_the_main_job(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(block("yaml", "trainable: mlpf"))
    shown, shipped = load_study_file(file), load_study_file("mlpf")
    assert yaml.safe_load(shown.to_yaml()) == yaml.safe_load(shipped.to_yaml())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
