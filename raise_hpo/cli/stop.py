"""``raise-hpo stop``: ask a study's driver to stop."""

from __future__ import annotations

from typing import Annotated

import typer


def stop(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
) -> None:
    """Stop a study after the epochs that are running; 'raise-hpo resume' goes on with it."""
    from raise_hpo.errors import UserError
    from raise_hpo.folder import find_study

    folder = find_study(study)
    driver = folder.driver()
    if driver is None:
        raise UserError(f"study {folder.name} is not running; see it with 'raise-hpo status {folder.name}'")
    folder.stop_request.touch()
    print(
        f"asked the driver of {folder.name} (process {driver.get('pid', '?')} on {driver.get('host', '?')}) to stop "
        f"after the running epochs; go on later with 'raise-hpo resume {folder.name}'"
    )
