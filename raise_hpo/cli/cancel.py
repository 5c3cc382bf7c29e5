"""``raise-hpo cancel``: end a study's jobs."""

from __future__ import annotations

from json import dumps
from typing import Annotated

import typer


def cancel(
    study: Annotated[
        str, typer.Argument(help="The name or folder of a study or a training, or the number of one of its jobs.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Cancel all jobs of a study, queued and running; it stays resumable from its last checkpoints."""
    from raise_hpo.cli.study_or_job import find_study_or_job
    from raise_hpo.cluster import slurm
    from raise_hpo.cluster.job import all_jobs
    from raise_hpo.errors import UserError

    folder = find_study_or_job(study)
    live = [job for job in all_jobs(folder) if not slurm.state_of(job).ended]
    if not live:
        raise UserError(
            f"{folder.kind} {folder.name} has no job in the queue; see it with 'raise-hpo status {folder.name}'"
        )
    slurm.cancel(live)
    if json:
        print(dumps({folder.kind: folder.name, "cancelled": live}))
    else:
        print(f"cancelled job {', '.join(live)}; go on with 'raise-hpo submit {folder.name}'")
