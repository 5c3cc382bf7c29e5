"""``raise-hpo ui``: MLflow's pages for a study, and the way to them and to Ray's dashboard from elsewhere."""

from __future__ import annotations

from json import dumps
from typing import Annotated

import typer


def ui(
    study: Annotated[
        str | None, typer.Argument(help="A study's name or folder; the most recent one if not given.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; a free one if 0.")] = 0,
    job: Annotated[
        str | None, typer.Option(help="Print how to reach a job's MLflow and Ray dashboard from your own machine.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --job: print one JSON document.")] = False,
) -> None:
    """Show a study in MLflow, on this machine only, until Ctrl-C; or tell how to see a job's pages from elsewhere."""
    from raise_hpo.folder import find_study
    from raise_hpo.track.server import MlflowServer, tracked_at

    if job is not None:
        _tell_tunnels(job, port, json)
        return
    folder = find_study(study)
    uri = tracked_at(folder)
    if uri.startswith(("http://", "https://")):
        print(f"study {folder.name} is tracked at {uri}")
        return
    with MlflowServer(folder, uri, port) as server:
        print(f"MLflow shows study {folder.name} at {server.url} (Ctrl-C ends it)", flush=True)
        server.wait()


def _tell_tunnels(job: str, port: int, as_json: bool) -> None:
    from raise_hpo.cluster.tunnels import tunnels

    found = tunnels(job, port)
    if as_json:
        print(dumps(found))
        return
    print("MLflow: on a login node run")
    print(f"  {found['mlflow']['serve']}")
    print("and on your own machine")
    print(f"  {found['mlflow']['tunnel']}")
    print(f"then open {found['mlflow']['url']}")
    dashboard = found["dashboard"]
    if dashboard is None:
        print("Ray's dashboard is off in this job (raise-hpo submit --dashboard loopback)")
        return
    print("Ray's dashboard: on your own machine run")
    print(f"  {dashboard['tunnel']}")
    print(f"then open {dashboard['url']} and give it the token in {dashboard['token_file']}")
