"""``raise-hpo stop``: ask the driver of a study or a training to stop."""

from __future__ import annotations

from typing import Annotated

import typer


def stop(
    study: Annotated[
        str | None, typer.Argument(help="A study's or a training's name or folder; the most recent study if not given.")
    ] = None,
) -> None:
    """Stop a study or a training after the epochs that are running; 'raise-hpo resume' goes on with it."""
    from raise_hpo.errors import UserError
    from raise_hpo.train.folder import find_study_or_training

    folder = find_study_or_training(study)
    driver = folder.driver()
    if driver is None:
        raise UserError(f"{folder.kind} {folder.name} is not running; see it with 'raise-hpo status {folder.name}'")
    folder.stop_request.touch()
    print(
        f"asked the driver of {folder.name} (process {driver.get('pid', '?')} on {driver.get('host', '?')}) to stop "
        f"after the running epochs; go on later with 'raise-hpo resume {folder.name}'"
    )
