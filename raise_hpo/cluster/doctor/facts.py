"""What is gathered on a site, as plain data: nothing here says whether it is good."""

from __future__ import annotations

from pydantic import BaseModel, Field

from raise_hpo.cluster.script import JobRequest
from raise_hpo.cluster.site import Site


class Asked(BaseModel):
    """What a study's jobs will ask for: the user's wishes over the site's values.

    Attributes:
        site: The site's name.
        partition: As in `Site`, and so are the others.
        hours: Wall time of a job.
        nodes: Nodes of a job.
    """

    site: str
    title: str = ""
    partition: str | None = None
    account: str | None = None
    account_needed: bool = False
    qos: str | None = None
    constraint: str | None = None
    cpus: int | None = None
    gpus: int = 0
    gpu_vendor: str = "nvidia"
    exclusive: bool = False
    python: str | None = None
    host_suffix: str = ""
    interface: str = ""
    scratch: str = "/tmp"
    internet: bool = True
    requeue: bool = True
    submit_from_nodes: bool = True
    submit_hosts: str = ""
    max_hours: float | None = None
    hours: float = 1.0
    nodes: int = 1

    @classmethod
    def of(cls, site: Site, request: JobRequest) -> Asked:
        """What jobs of a site with a request ask for."""
        given = {
            key: value for key, value in site.model_dump().items() if key in cls.model_fields and value is not None
        }
        wished = {"partition": request.partition, "account": request.account, "qos": request.qos, "cpus": request.cpus}
        given |= {key: value for key, value in wished.items() if value is not None}
        given |= {"site": site.name, "gpus": request.gpus_of_a_node(site)}
        return cls(**{**given, "hours": request.hours, "nodes": request.nodes})


class Place(BaseModel):
    """A folder and the file system below it.

    Attributes:
        path: The folder.
        kind: The type of its file system, such as ``lustre``.
        mount: Where that is mounted.
        problem: Why nothing can be written there; empty if it can.
        free: Bytes that are free.
        inodes: Files that can still be made; None where that is not limited.
    """

    path: str
    kind: str = ""
    mount: str = ""
    problem: str = ""
    free: int = 0
    inodes: int | None = None


class Unreadable(BaseModel):
    """A path of the study's data that cannot be read, and why."""

    path: str
    problem: str


class LoginFacts(BaseModel):
    """What is seen on a login node without a job.

    Attributes:
        host: The host's full name.
        missing: Slurm's commands that are not installed.
        slurm_version: As ``sbatch --version`` tells.
        slurm_problem: Why Slurm does not answer; empty if it does.
        config: Slurm's settings.
        partitions: Each partition's settings, by name.
        node_kinds: What kinds of nodes partitions have, as sinfo tells.
        accounts: The user's accounts; None where Slurm has no database of them.
        qos: All qualities of service; None likewise.
        refused: Why Slurm would refuse a study's job; empty if it would not.
        python: The folder of the Python that runs this.
        package: The folder of raise-hpo.
        leftovers: Settings of this user that mislead Ray.
        studies: The folder of studies.
        lock_problem: Why locks do not work there; empty if they do.
        rename_problem: Why files cannot be replaced there.
        private_problem: Why no file can be kept from others there.
        over_quota: What `quota` marks as over its limit.
        data: How many paths the study's data has; None without a study.
        unreadable: Those that cannot be read here.
        versions: Of Python and packages.
    """

    host: str = ""
    missing: list[str] = Field(default_factory=list)
    slurm_version: str = ""
    slurm_problem: str = ""
    config: dict[str, str] = Field(default_factory=dict)
    partitions: dict[str, dict[str, str]] = Field(default_factory=dict)
    node_kinds: list[NodeKind] = Field(default_factory=list)
    accounts: list[str] | None = None
    qos: list[str] | None = None
    refused: str = ""
    python: Place = Place(path="/")
    package: Place = Place(path="/")
    leftovers: list[str] = Field(default_factory=list)
    studies: Place = Place(path="/")
    lock_problem: str = ""
    rename_problem: str = ""
    private_problem: str = ""
    over_quota: list[str] = Field(default_factory=list)
    data: int | None = None
    unreadable: list[Unreadable] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)


class NodeKind(BaseModel):
    """Equal nodes of a partition: how many, their CPUs, features and GPUs in Slurm's words."""

    partition: str
    nodes: int
    cpus: int
    features: list[str] = Field(default_factory=list)
    gres: str = ""


class Gpu(BaseModel):
    """A GPU as its driver tells: name, bytes of memory, and those in use before we began."""

    name: str
    total: int
    used: int


class Peer(BaseModel):
    """What one node finds of another.

    Attributes:
        problem: Why it cannot be reached; empty if it can.
        ahead: Seconds by which its clock is ahead of ours.
        file_seconds: How long it took until it saw a file that we wrote; None if it never did.
        lock_excludes: Whether it was kept out of a lock that we held.
    """

    problem: str = ""
    ahead: float | None = None
    file_seconds: float | None = None
    lock_excludes: bool | None = None


class Reduced(BaseModel):
    """All-reduces with one backend: why they failed, or seconds for each size in bytes.

    Attributes:
        gpus: How many torch sees here.
    """

    problem: str = ""
    seconds: dict[int, float] = Field(default_factory=dict)
    gpus: int = 0


class RayStart(BaseModel):
    """How Ray's head and workers came up.

    Attributes:
        problem: Why they did not; empty if they did.
        head_seconds: Until the head was up.
        joined_seconds: Until all nodes had joined, from the same moment.
        joined: The names of the nodes that joined.
    """

    problem: str = ""
    head_seconds: float | None = None
    joined_seconds: float | None = None
    joined: list[str] = Field(default_factory=list)


class NodeFacts(BaseModel):
    """What is seen on a compute node inside a job.

    Attributes:
        node: Its name in Slurm.
        versions: Of Python and packages.
        address: What other nodes reach it at; empty if none was found.
        address_problem: Why none was.
        suffixed: The addresses of its name with the site's suffix.
        own: Its addresses, by interface.
        scratch: The site's scratch folder.
        temp_dir: How long the path of Ray's folder there gets, and how long it may be.
        shm: Bytes of /dev/shm, free ones.
        cpus_given: What Slurm gave this step.
        cpus_job: What it gave the job on a node.
        cpus_usable: What this process may use.
        cpus_there: What the node has.
        gpus_given: What Slurm gave.
        gpus: As the driver tells.
        gpu_problem: Why it does not.
        memory: Bytes of the node.
        memory_limit: Bytes of the job there; None without a limit.
        ray_processes: Ray processes of this user that were there already.
        unreadable: The study's data that cannot be read here.
        internet: Whether hosts outside are reached.
        scontrol_problem: Why scontrol does not work here.
        sbatch_problem: Why sbatch does not.
        met: The nodes whose files in the studies folder were seen here, this one among them.
        meet_seconds: How long that took.
        peers: What was found of other nodes.
        reduced: All-reduces, by backend.
        ray: How Ray came up; told by the head alone.
        signalled: Whether a signal to the batch script came here as well.
        stage: What was done last; ``done`` at the end.
    """

    node: str
    versions: dict[str, str] = Field(default_factory=dict)
    address: str = ""
    address_problem: str = ""
    suffixed: list[str] = Field(default_factory=list)
    own: dict[str, str] = Field(default_factory=dict)
    scratch: Place = Place(path="/tmp")
    temp_dir: tuple[int, int] = (0, 1)
    shm: int = 0
    cpus_given: int = 0
    cpus_job: int = 0
    cpus_usable: int = 0
    cpus_there: int = 0
    gpus_given: int = 0
    gpus: list[Gpu] = Field(default_factory=list)
    gpu_problem: str = ""
    memory: int = 0
    memory_limit: int | None = None
    ray_processes: list[str] = Field(default_factory=list)
    unreadable: list[Unreadable] = Field(default_factory=list)
    internet: bool = False
    scontrol_problem: str = ""
    sbatch_problem: str = ""
    met: list[str] = Field(default_factory=list)
    meet_seconds: float = 0.0
    peers: dict[str, Peer] = Field(default_factory=dict)
    reduced: dict[str, Reduced] = Field(default_factory=dict)
    ray: RayStart | None = None
    signalled: bool = False
    stage: str = ""


class BatchFacts(BaseModel):
    """What the batch script itself tried.

    Attributes:
        usr1_seconds: Until ``scancel --signal=USR1 --batch`` reached it; None if it never did.
        usr1_problem: What scancel said.
        overlap_seconds: Until a second step had run beside the first.
        overlap_problem: What srun said when that failed.
    """

    usr1_seconds: float | None = None
    usr1_problem: str = ""
    overlap_seconds: float | None = None
    overlap_problem: str = ""


class JobFacts(BaseModel):
    """What became of the doctor's job.

    Attributes:
        job: Its number; empty if it was refused.
        refused: What Slurm said then.
        began: Whether it began to run.
        waited: Seconds in the queue.
        state: How it ended, or that it waits.
        reason: Why it waits, or how it ended.
        expected: When Slurm expected it to start.
        seconds: How long it ran.
        nodes: The names of its nodes.
        wrote: Whether it wrote anything into the studies folder.
        last_words: The end of what it said.
        batch: What the batch script tried.
        reports: What each node found, by its name.
        last_words_of: The end of what a node's probe said, for nodes without a whole report.
    """

    job: str = ""
    refused: str = ""
    began: bool = False
    waited: float = 0.0
    state: str = ""
    reason: str = ""
    expected: str = ""
    seconds: float = 0.0
    nodes: list[str] = Field(default_factory=list)
    wrote: bool = False
    last_words: str = ""
    batch: BatchFacts = BatchFacts()
    reports: dict[str, NodeFacts] = Field(default_factory=dict)
    last_words_of: dict[str, str] = Field(default_factory=dict)


LoginFacts.model_rebuild()
