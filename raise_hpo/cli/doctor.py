"""``raise-hpo doctor``: whether a site can run studies, before a job is spent on finding out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from typing import Annotated, Any

import typer

from raise_hpo.cli.job_options import Account, Cpus, Gpus, Memory, Partition, Qos, SiteName, hours_of


def doctor(
    site: SiteName = "generic",
    nodes: Annotated[
        int, typer.Option(min=0, help="Compute nodes to look at, in one short job; 0: this host alone.")
    ] = 2,
    study: Annotated[str | None, typer.Option(help="A study file or trainable, whose data must be readable.")] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="HH:MM:SS", help="Wall time that studies will ask for; else the site's longest."),
    ] = None,
    account: Account = None,
    partition: Partition = None,
    qos: Qos = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory: Memory = None,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the job's start.")] = 600,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check a cluster: Slurm, folders, nodes and what is between them. Every trouble comes with its remedy."""
    from raise_hpo.cluster.doctor.examine import examine
    from raise_hpo.cluster.script import JobRequest
    from raise_hpo.cluster.site import load_site
    from raise_hpo.folder import studies_root
    from raise_hpo.study import load_study_file

    profile = load_site(site)
    request = JobRequest(
        nodes=max(nodes, 1), hours=hours_of(time, profile), partition=partition,
        account=account, qos=qos, cpus=cpus, gpus=gpus, memory=memory,
    )  # fmt: skip
    spec = load_study_file(study, []) if study else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with _live_line() as say:
        diagnosis = examine(profile, request, nodes, studies_root(), spec, wait, say)
    if json:
        print(dumps(diagnosis.document()))
    else:
        from rich.console import Console

        from raise_hpo.cluster.doctor.show import show

        show(diagnosis, Console())
    raise typer.Exit(0 if diagnosis.passed else 1)


def _interrupt(number: int, frame: Any) -> None:
    """As Ctrl-C, which leaves no job and no file behind; often the signal comes twice, and must not break that off."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _live_line() -> Iterator[Callable[[str], None]]:
    """A line on standard error that is written anew; where that is no terminal, a line when its first words change."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("") as status:
            yield status.update
        return
    last = ""

    def say(words: str) -> None:
        nonlocal last
        begin = words.split(" for ")[0]
        if begin != last:
            print(words, file=sys.stderr, flush=True)
        last = begin

    yield say
