"""Studies that several tests of this folder look at; nobody writes to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from raise_hpo.folder import StudyFolder
from tests.report.studies import go_on, make_study


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a space and a letter outside ASCII in its path."""
    return tmp_path_factory.mktemp("studies of Zoë")


@pytest.fixture(scope="session")
def finished(root: Path) -> StudyFolder:
    """18 trials, finished, with failures."""
    return make_study(root / "finished")


@pytest.fixture(scope="session")
def broken_off(root: Path) -> StudyFolder:
    """A study whose driver was killed."""
    return make_study(root / "broken-off", reports=33)


@pytest.fixture(scope="session")
def taken_up(root: Path) -> StudyFolder:
    """A study whose driver was killed and which was resumed an hour later."""
    folder = make_study(root / "taken-up", reports=33)
    go_on(folder)
    return folder
