"""Exit codes of the processes of a job; ``slurm/ray_cluster.sh`` and `raise_hpo.cluster.after` act on them."""

FINISHED = 0
NO_BEST = 1
WRONG_INPUT = 2
STOPPED = 4
HEAD_FAILED = 70
NODES_MISSING = 71
NODE_UNFIT = 72
HEAD_LOST = 73
WORKER_FAILED = 74
NODES_LOST = 75
PAUSED = 85
INTERRUPTED = 130
