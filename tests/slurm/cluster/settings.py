"""The files of the cluster: Slurm's configuration, host names, users, the devices that stand for GPUs."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

from .system import Unavailable

LOGIN = "jrlogin01"
LOGIN_NUMBER = 254
USERS = {"alice": 2001, "bob": 2002}
CPUS, MEMORY, GPUS = 16, 6000, 4

SLURM_CONF = """\
ClusterName=jureca
SlurmctldHost={login}
SlurmUser=slurm
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={run}/state
SlurmdSpoolDir={run}/spool/%n
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={run}/log/slurmctld.log
SlurmdLogFile={run}/log/slurmd.%n.log
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/{task}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
JobCompType=jobcomp/filetxt
JobCompLoc={run}/log/jobcomp.log
MpiDefault=none
PropagateResourceLimits=NONE
# The nodes have what is written below, whatever the machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
# A network cut of half a minute is not yet a lost node; all other times are short, so that tests are.
SlurmdTimeout=40
SlurmctldTimeout=10
MessageTimeout=5
TCPTimeout=2
InactiveLimit=0
KillWait=5
UnkillableStepTimeout=20
BatchStartTimeout=30
WaitTime=0
ReturnToService=2
JobRequeue=1
EnforcePartLimits=ALL
MinJobAge=3600
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=1,bf_resolution=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
NodeName={nodes} CPUs={cpus} Boards=1 SocketsPerBoard=2 CoresPerSocket={cores} ThreadsPerCore=1 \
RealMemory={memory} Gres=gpu:a100:{gpus}
PartitionName=DEFAULT Nodes=ALL State=UP DefMemPerCPU={memory_per_cpu} MaxTime=24:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=dc-gpu Default=YES OverSubscribe=EXCLUSIVE DefaultTime=01:00:00
PartitionName=dc-gpu-devel OverSubscribe=EXCLUSIVE MaxTime=02:00:00
PartitionName=shared OverSubscribe=NO
PartitionName=preempt OverSubscribe=EXCLUSIVE PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=preempt-grace OverSubscribe=EXCLUSIVE PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
"""


def write(run: Path, network: str, nodes: dict[str, int], cgroups: bool) -> None:
    """Write all that the daemons and hosts of a cluster read."""
    for folder in ("pids", "log", "etc/slurm", "spool", "state", "munge", "dev", "mnt", "shared"):
        (run / folder).mkdir(parents=True)
    for folder in ("log", "state"):
        shutil.chown(run / folder, "slurm", "slurm")
    _hosts(run, network, nodes)
    _users(run)
    _gpus(run)
    _slurm(run, nodes, cgroups)
    key = run / "munge" / "key"
    key.touch(0o400)
    key.write_bytes(secrets.token_bytes(1024))


def _slurm(run: Path, nodes: dict[str, int], cgroups: bool) -> None:
    conf = SLURM_CONF.format(
        login=LOGIN,
        run=run,
        # Without cgroups, what a step leaves behind lives on, and memory is not limited.
        proctrack="cgroup" if cgroups else "linuxproc",
        task="cgroup" if cgroups else "none",
        nodes=",".join(nodes),
        cpus=CPUS,
        cores=CPUS // 2,
        memory=MEMORY,
        memory_per_cpu=MEMORY // CPUS,
        gpus=GPUS,
    )
    (run / "etc/slurm/slurm.conf").write_text(conf)
    (run / "etc/slurm/gres.conf").write_text(
        f"AutoDetect=off\nName=gpu Type=a100 File={run}/dev/nvidia[0-{GPUS - 1}]\n"
    )
    (run / "etc/slurm/cgroup.conf").write_text(
        "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\nConstrainCores=no\nConstrainDevices=no\n" if cgroups else ""
    )


def _hosts(run: Path, network: str, nodes: dict[str, int]) -> None:
    lines = ["127.0.0.1 localhost"]
    for name, number in {LOGIN: LOGIN_NUMBER, **nodes}.items():
        lines += [f"{network}.0.{number} {name}", f"{network}.1.{number} {name}i"]
    (run / "etc/hosts").write_text("\n".join(lines) + "\n")


def _users(run: Path) -> None:
    """The machine's users and the cluster's; the shadow file is made up, and there for ``su``, which sbatch may run."""
    users = {name: f"{name}:x:{number}:{number}::{run}/shared/{name}:/bin/bash" for name, number in USERS.items()}
    groups = {name: f"{name}:x:{number}:" for name, number in USERS.items()}
    for file, added in (("passwd", users), ("group", groups)):
        others = [line for line in Path("/etc", file).read_text().splitlines() if line.split(":")[0] not in USERS]
        (run / "etc" / file).write_text("\n".join([*others, *added.values()]) + "\n")
    shadow = run / "etc/shadow"
    shadow.touch(0o600)
    shadow.write_text("".join(f"{name}:*:20000:0:99999:7:::\n" for name in ("root", *USERS)))
    for name, number in USERS.items():
        home = run / "shared" / name
        home.mkdir(0o700)
        os.chown(home, number, number)


def _gpus(run: Path) -> None:
    """Devices like /dev/null: Slurm wants a device for each GPU, and never opens it."""
    for number in range(GPUS):
        try:
            os.mknod(run / "dev" / f"nvidia{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError as error:
            raise Unavailable(f"no devices can be made: {error}") from None
