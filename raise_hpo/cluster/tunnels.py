"""How to see from a user's own machine what runs on a cluster: lines for ssh, printed, not run."""

from __future__ import annotations

import getpass
import socket
from shlex import quote
from typing import Any

from raise_hpo.cluster.address import free_port
from raise_hpo.cluster.job import Endpoint, submissions
from raise_hpo.cluster.queue import find_by_job, running_cluster
from raise_hpo.cluster.site import load_site
from raise_hpo.errors import UserError

_DASHBOARD = 8265


def tunnels(job: str, port: int = 0) -> dict[str, Any]:
    """The commands by which a job's MLflow and Ray dashboard are seen: plain data, ``dashboard`` None if it is off.

    Args:
        job: A job's number.
        port: For MLflow; one that is free on this host now if 0.

    Raises:
        UserError: No study here has that job, or it has no cluster now.
    """
    study = find_by_job(job)
    login = _login(submissions(study)[-1].site)
    port = port or free_port(int(job))
    _, endpoint = running_cluster(study, job)
    folder = quote(str(study.path.resolve()))
    return {
        "study": study.name,
        "job": job,
        "mlflow": {
            "serve": f"raise-hpo ui {folder} --port {port}",
            "tunnel": f"ssh -N -L {port}:127.0.0.1:{port} {login}",
            "url": f"http://127.0.0.1:{port}",
        },
        "dashboard": _dashboard(endpoint, login),
    }


def _dashboard(endpoint: Endpoint, login: str) -> dict[str, str] | None:
    """Through the login node to the head: to its network address, or by way of ssh to its loopback."""
    if endpoint.dashboard is None:
        return None
    if endpoint.dashboard_host == "127.0.0.1":
        line = f"ssh -N -L {_DASHBOARD}:127.0.0.1:{endpoint.dashboard} -J {login} {getpass.getuser()}@{endpoint.node}"
    else:
        line = f"ssh -N -L {_DASHBOARD}:{endpoint.dashboard_host}:{endpoint.dashboard} {login}"
    return {"tunnel": line, "url": f"http://127.0.0.1:{_DASHBOARD}", "token_file": endpoint.token_file}


def _login(site: str) -> str:
    try:
        host = load_site(site).login
    except UserError:
        host = None
    return f"{getpass.getuser()}@{host or socket.getfqdn()}"
