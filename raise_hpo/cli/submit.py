"""``raise-hpo submit``: run a study or a training on a cluster."""

from __future__ import annotations

import sys
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from raise_hpo.cli.job_options import Account, Cpus, Gpus, Memory, Partition, Qos, SiteName, hours_of
from raise_hpo.cli.train_options import Epochs, Patience, Seed, Workers, plan_of
from raise_hpo.errors import UserError


class DashboardPlace(StrEnum):
    """Where Ray's dashboard listens."""

    off = "off"
    loopback = "loopback"
    node = "node"


def submit(
    study: Annotated[
        str, typer.Argument(help="A study file, a trainable's name, or a study or training to go on with.")
    ],
    site: SiteName = "generic",
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of the job.")] = 1,
    time: Annotated[
        str | None, typer.Option(metavar="HH:MM:SS", help="Wall time of a job; the site's longest if not given.")
    ] = None,
    chain: Annotated[
        int, typer.Option(min=1, help="Jobs one after another, each going on where the last one stopped.")
    ] = 1,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the study file.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The study's name; numbered if not given.")] = None,
    train: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="Not the study, but a training of best, default, a trial or a YAML file."),
    ] = None,
    workers: Workers = None,
    epochs: Epochs = None,
    patience: Patience = None,
    seed: Seed = None,
    account: Account = None,
    partition: Partition = None,
    qos: Qos = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory: Memory = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Trials at a time; as many as fit if not given.")] = None,
    lead: Annotated[int, typer.Option(min=10, help="Seconds before the wall time at which the study pauses.")] = 300,
    join_seconds: Annotated[int, typer.Option(min=1, help="How long to wait for all nodes.")] = 180,
    require_all: Annotated[
        bool, typer.Option("--require-all", help="Give up if a node does not join, rather than start without it.")
    ] = False,
    dashboard: Annotated[
        DashboardPlace, typer.Option(help="Ray's dashboard: off, on the head's loopback, or on its network address.")
    ] = DashboardPlace.loopback,
    sbatch: Annotated[
        list[str] | None, typer.Option(metavar="OPTION", help="A further option of sbatch, such as --mail-type=END.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="ray://HOST:PORT|JOB", help="Instead: a cluster that is up, or that of a running job."),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="With --to ray://…: the file with its token.")] = None,
    priority: Annotated[float, typer.Option(help="With --to: its share of the slots against other studies.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the batch script and submit nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Submit a study to a Slurm cluster, where it outlives wall times and the loss of nodes, or to a Ray cluster."""
    _check_options(
        train,
        {"--workers": workers, "--epochs": epochs, "--patience": patience, "--seed": seed},
        {"--name": name, "--slots": slots, "--to": to},
    )
    if to is not None:
        from raise_hpo.cli.submit_to import submit_to

        submit_to(study, to, token_file, name, priority, json, set_ or [])
        return
    from raise_hpo.cluster.script import JobRequest, script_file
    from raise_hpo.cluster.site import load_site
    from raise_hpo.cluster.submit import check_is_known, discard, prepare, prepare_training, warning
    from raise_hpo.cluster.submit import submit as submit_jobs
    from raise_hpo.train.training import Training

    profile = load_site(site)
    check_is_known(study)
    request = JobRequest(
        nodes=nodes, hours=hours_of(time, profile), partition=partition, account=account,
        qos=qos, cpus=cpus, gpus=gpus, memory=memory, slots=slots, lead=lead, join_seconds=join_seconds,
        require_all=require_all, dashboard=dashboard.value, options=tuple(sbatch or ()),
    )  # fmt: skip
    if (doubt := warning(profile)) is not None:
        print(f"raise-hpo: {doubt}", file=sys.stderr)
    if train is None:
        folder = prepare(study, profile, request, set_ or [], name)
    else:
        plan = plan_of(study, train, set_ or [], workers, epochs, patience, seed, "--train")
        folder = prepare_training(Training(plan), profile, request)
    if dry_run:
        print(script_file(folder).read_text(), end="")
        discard(folder)
        return
    submitted = submit_jobs(folder, profile, request, chain)
    if json:
        print(dumps({folder.kind: folder.name, "folder": str(folder.path.resolve()), **vars(submitted)}))
        return
    jobs = f"job {submitted.jobs[0]}" if chain == 1 else f"jobs {', '.join(submitted.jobs)} one after another"
    print(f"{folder.kind} {folder.name}: {jobs} on {nodes} node(s) of {profile.title}")
    print(f"  script  {submitted.script}")
    print(f"  output  {folder.jobs.resolve()}/job-{submitted.jobs[0]}.out")
    print(f"  follow  raise-hpo status {folder.name}, raise-hpo log -f {folder.name}")
    print(f"  end     raise-hpo stop {folder.name} (resumable), raise-hpo cancel {folder.name}")


def _check_options(train: str | None, of_trainings: dict[str, object], of_studies: dict[str, object]) -> None:
    """Refuse options that mean nothing for what is submitted."""
    wrong = of_trainings if train is None else of_studies
    if given := [option for option, value in wrong.items() if value is not None]:
        what = "belongs to a training: give --train, too" if train is None else "does not go with --train"
        raise UserError(f"{given[0]} {what}")
