"""What becomes of the chain when a job's driver has ended: ``python -m raise_hpo.cluster.after CODE``."""

from __future__ import annotations

import sys

from raise_hpo.cluster import slurm
from raise_hpo.cluster.chain import waiting_after
from raise_hpo.cluster.exits import FINISHED, HEAD_LOST, NO_BEST, NODES_LOST, PAUSED, STOPPED, WRONG_INPUT
from raise_hpo.cluster.job import Setting
from raise_hpo.errors import UserError

_MARGIN = 120.0
_SETTLED = (FINISHED, NO_BEST, STOPPED, WRONG_INPUT)


def after(code: int, setting: Setting) -> str:
    """Cancel or leave the jobs that were to follow, or put this one back into the queue; in words what was done.

    A job that is paused long before its wall time was preempted: it goes back into the queue and keeps its place in
    the chain. So does one whose training has lost the nodes that it needs.

    Args:
        code: The driver's exit code.
        setting: What the batch script exported.

    Raises:
        UserError: Slurm refused.
    """
    waiting = waiting_after(setting)
    name = setting.study.name
    if code in _SETTLED:
        slurm.cancel(waiting)
        return f"jobs {', '.join(waiting)} of the chain are not needed any more" if waiting else ""
    if code == PAUSED and _preempted(setting):
        slurm.run("scontrol", "requeue", setting.job)
        return "preempted: the job is put back into the queue"
    if code == NODES_LOST:
        slurm.run("scontrol", "requeue", setting.job)
        return "the job is put back into the queue, for other nodes"
    if waiting:
        return f"job {waiting[0]} of the chain goes on"
    if code in (PAUSED, HEAD_LOST):
        return f"go on by 'raise-hpo submit {name}', or anywhere else by 'raise-hpo resume {name}'"
    return ""


def _preempted(setting: Setting) -> bool:
    left = slurm.state_of(setting.job).left
    return left is not None and left > setting.lead + _MARGIN


def main() -> int:
    """Settle the chain; what Slurm refuses is said and changes nothing."""
    try:
        words = after(int(sys.argv[1]), Setting.of())
    except UserError as error:
        words = str(error)
    if words:
        print(f"raise-hpo: {words}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
