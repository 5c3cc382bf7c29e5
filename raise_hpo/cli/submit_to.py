"""``raise-hpo submit --to``: start a study on a cluster that is up."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from pathlib import Path


def submit_to(
    study: str, address: str, token_file: Path | None, name: str | None, priority: float, json: bool,
    overrides: Sequence[str] = (),
) -> None:  # fmt: skip
    """Start a study on the cluster at ``ray://HOST:PORT``, or on that of a job, and leave it there.

    Args:
        study: A study file, or the name of a trainable that brings one.
        address: ``ray://HOST:PORT`` of the cluster's Ray Client server, or a job's number.
        token_file: The file with the cluster's token; as Ray finds it if None.
        name: The study's name; numbered after the trainable if None.
        priority: Its share of the slots against the other studies on the cluster.
        json: Print one JSON document, nothing else.
        overrides: ``KEY=VALUE`` for the study file.

    Raises:
        UserError: The cluster cannot be used, or something in the study is wrong.
    """
    from raise_hpo.cluster.client import connect
    from raise_hpo.study import load_study_file

    spec = load_study_file(study, list(overrides))
    job = address if address.isdecimal() else None
    with connect(None if job else address, job=job, token_file=token_file) as session:
        started = session.submit(spec, name=name, priority=priority)
        status = started.status()
    if json:
        print(dumps(status))
        return
    where, way = (f"of job {job}", f"job={job!r}") if job else (f"at {address}", repr(address))
    print(
        f"study {started.name} runs on the cluster {where} and goes on without this terminal; its folder there is "
        f"{status['folder']}, and raise_hpo.connect({way}).study({started.name!r}) shows it from here"
    )
