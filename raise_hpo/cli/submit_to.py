"""``raise-hpo submit --to``: start a study on a cluster that is up."""

from __future__ import annotations

from json import dumps
from pathlib import Path


def submit_to(study: str, address: str, token_file: Path | None, name: str | None, priority: float, json: bool) -> None:
    """Start a study on the cluster at ``ray://HOST:PORT`` and leave it there.

    Args:
        study: A study file, or the name of a trainable that brings one.
        address: ``ray://HOST:PORT`` of the cluster's Ray Client server.
        token_file: The file with the cluster's token; as Ray finds it if None.
        name: The study's name; numbered after the trainable if None.
        priority: Its share of the slots against the other studies on the cluster.
        json: Print one JSON document, nothing else.

    Raises:
        UserError: The cluster cannot be used, or something in the study is wrong.
    """
    from raise_hpo.cluster.client import connect

    with connect(address, token_file=token_file) as session:
        started = session.submit(study, name=name, priority=priority)
        status = started.status()
    if json:
        print(dumps(status))
        return
    print(
        f"study {started.name} runs on the cluster at {address} and goes on without this terminal; its folder there is "
        f"{status['folder']}, and raise_hpo.connect({address!r}).study({started.name!r}) shows it from here"
    )
