"""The jobs of a study that follow one another."""

from __future__ import annotations

from raise_hpo.cluster import slurm
from raise_hpo.cluster.job import Setting, all_jobs


def waiting_after(setting: Setting) -> list[str]:
    """The numbers of the jobs that are to follow this one and still wait, in their order.

    Raises:
        UserError: Slurm does not answer.
    """
    chain = all_jobs(setting.study)
    later = chain[chain.index(setting.job) + 1 :] if setting.job in chain else []
    return [job for job in later if slurm.state_of(job).state == "PENDING"]
