"""How far MLflow has been told."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from raise_hpo.folder import StudyFolder


@dataclass
class Cursor:
    """What MLflow has of a journal, kept in ``mlflow.cursor``.

    It may lag behind when its writer is killed, never run ahead; sending an event twice does no harm.

    Attributes:
        seq: Sequence number of the last event that was sent; -1 for none.
        closed: The last event when report and model were sent; -1 for never.
        uri: The tracking URI that this is about.
        run: The study's own run there.
    """

    seq: int = -1
    closed: int = -1
    uri: str = ""
    run: str = ""

    @classmethod
    def load(cls, folder: StudyFolder) -> Cursor:
        """The cursor of a study; a fresh one if there is none or it cannot be read."""
        try:
            return cls(**json.loads(_file(folder).read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def save(self, folder: StudyFolder) -> None:
        """Replace the file in one step."""
        draft = _file(folder).with_suffix(".cursor.new")
        draft.write_text(json.dumps(asdict(self)))
        os.replace(draft, _file(folder))


def _file(folder: StudyFolder) -> Path:
    return folder.path / "mlflow.cursor"
