"""A cluster by hand: ``python -m tests.slurm.cluster up|down|exec HOST COMMAND``."""

from __future__ import annotations

import argparse
import sys

from .cluster import SLOTS, SlurmCluster


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster")
    parser.add_argument("--slot", type=int, default=SLOTS.stop, help="another number, another cluster")
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="install what is missing and start a cluster that runs until 'down'")
    up.add_argument("--nodes", type=int, default=3)
    actions.add_parser("down", help="stop it and remove all its files")
    run = actions.add_parser("exec", help="run a command on a host: jrlogin01, jrc0001, ...")
    run.add_argument("--user", default="alice")
    run.add_argument("--cwd", help="the user's home, if not given")
    run.add_argument("host")
    run.add_argument("command", nargs=argparse.REMAINDER)
    for name in ("crash", "boot", "unplug", "plug", "kill_slurmd", "start_slurmd"):
        actions.add_parser(name).add_argument("node")
    actions.add_parser("restore", help="undo all failures and cancel all jobs")
    arguments = parser.parse_args()
    cluster = SlurmCluster(arguments.slot)
    match arguments.action:
        case "up":
            cluster.install()
            cluster.stop()
            cluster.start(arguments.nodes)
            print(f"nodes: {' '.join(cluster.nodes)}; login host: {cluster.login}; shared folder: {cluster.shared}")
        case "down":
            cluster.stop()
        case "restore":
            cluster.restore()
        case "exec":
            command = arguments.command or ["bash"]
            return cluster.popen(arguments.host, *command, user=arguments.user, cwd=arguments.cwd).wait()
        case action:
            getattr(cluster, action)(arguments.node)
    return 0


sys.exit(main())
