"""``python -m raise_hpo.track FOLDER``: send to MLflow what it does not have of a study's journal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.track.send import GaveUp, Sender


def main() -> int:
    """Send, and with ``--follow`` go on sending until standard input ends; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raise_hpo.track", description=__doc__)
    parser.add_argument("folder", type=Path, help="the study's folder")
    parser.add_argument("--uri", help="the tracking URI; the study's own if not given")
    parser.add_argument("--follow", action="store_true", help="go on until standard input ends")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds of outage at the end before giving up")
    given = parser.parse_args()
    # Training comes first on a machine that both share.
    os.nice(5)
    try:
        Sender(StudyFolder(given.folder), given.uri, given.follow, given.patience).run()
    except GaveUp as sentence:
        print(f"raise-hpo: {sentence}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"raise-hpo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
