"""``raise-hpo ui``: MLflow's pages for a study."""

from __future__ import annotations

from typing import Annotated

import typer


def ui(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; a free one if 0.")] = 0,
) -> None:
    """Show a study in MLflow, on this machine only, until Ctrl-C."""
    from raise_hpo.folder import find_study
    from raise_hpo.track.server import MlflowServer, tracked_at

    folder = find_study(study)
    uri = tracked_at(folder)
    if uri.startswith(("http://", "https://")):
        print(f"study {folder.name} is tracked at {uri}")
        return
    with MlflowServer(folder, uri, port) as server:
        print(f"MLflow shows study {folder.name} at {server.url} (Ctrl-C ends it)", flush=True)
        server.wait()
