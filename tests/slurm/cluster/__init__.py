"""A Slurm of three nodes on this one machine, in namespaces; see ``cluster.py``."""

from .cluster import SlurmCluster
from .system import Unavailable

__all__ = ["SlurmCluster", "Unavailable"]
