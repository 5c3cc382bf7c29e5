"""A site's profile: what a batch script must know of a cluster, one TOML file each.

Ours are in the installed folder ``slurm/sites``; a user's own are in ``~/.config/raise-hpo/sites`` and come first. One
that says ``extends = "jureca-dc"`` has only the keys in which it differs.
"""

from __future__ import annotations

import importlib.util
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from raise_hpo.errors import UserError, nearest
from raise_hpo.study.settings import Settings

GENERIC = "generic"


class Site(Settings):
    """One cluster.

    Attributes:
        name: The file's name.
        title: What people call it.
        partition: Default partition; the scheduler's own if None.
        test_partition: Where short test jobs start soon.
        test_qos: Quality of service of such jobs.
        account: The project to bill.
        account_needed: Whether jobs without an account are refused.
        constraint: Node features that a job must ask for.
        qos: Quality of service that a job must ask for.
        gpus: GPUs of a node.
        gpu_vendor: Who made them.
        gpu_request: The option of sbatch that asks for them, ``{gpus}`` in it for their number.
        cpus: What a job can ask for with ``--cpus-per-task`` on a whole node.
        memory: Memory of a node to ask for, in sbatch's words; ``0`` is all of it.
        max_hours: The longest wall time.
        max_nodes: The most nodes of a job in the default partition.
        exclusive: Whether to ask for whole nodes.
        modules: What to ``module load`` after ``module purge``; none: modules are left alone.
        python: A command on all nodes that runs Python, such as a wrapper that enters a container; the Python that
            submits if None.
        setup: Further lines of shell before Python is started.
        env: Environment variables for the job.
        host_suffix: What to append to a node's name to get its name on the fast network.
        interface: The fast network's interface on a node.
        scratch: A folder on each node's own disk or memory, for sockets and caches. Shell variables are expanded.
        internet: Whether compute nodes reach the internet.
        requeue: Whether a job may be put back into the queue.
        submit_from_nodes: Whether sbatch works on compute nodes.
        submit_hosts: How login nodes are named, as a shell pattern; any host if empty.
        login: A login node for ssh, for the commands that are printed.
        sources: Where each value is documented, by number or key.
    """

    name: str
    title: str
    partition: str | None = None
    test_partition: str | None = None
    test_qos: str | None = None
    account: str | None = None
    account_needed: bool = False
    constraint: str | None = None
    qos: str | None = None
    gpus: int = Field(default=0, ge=0)
    gpu_vendor: Literal["nvidia", "amd"] = "nvidia"
    gpu_request: str = "--gres=gpu:{gpus}"
    cpus: int | None = Field(default=None, ge=1)
    memory: str | None = None
    max_hours: float | None = Field(default=None, gt=0)
    max_nodes: int | None = Field(default=None, ge=1)
    exclusive: bool = False
    modules: list[str] = Field(default_factory=list)
    python: str | None = None
    setup: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    host_suffix: str | None = None
    interface: str | None = None
    scratch: str = "/tmp"
    internet: bool = True
    requeue: bool = True
    submit_from_nodes: bool = True
    submit_hosts: str = ""
    login: str | None = None
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _request_has_a_place_for_the_number(self) -> Self:
        if "{gpus}" not in self.gpu_request:
            raise ValueError("gpu_request must hold {gpus}, the place of their number")
        return self


def site_names() -> list[str]:
    """The names of all sites, the user's own among them."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")})


def load_site(name: str) -> Site:
    """A site by its name, or by the path of its file.

    Raises:
        UserError: There is no such site, or its file is not valid; file, key and what is valid are named.
    """
    path = Path(name) if name.endswith(".toml") else _file(name)
    content = _read(path, seen=())
    try:
        return Site(**{"name": path.stem, **content})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        told = (
            f"'{key}' is unknown, {nearest(key, Site.model_fields)}"
            if first["type"] == "extra_forbidden"
            else f"{key + ': ' if key else ''}{first['msg'][0].lower()}{first['msg'][1:]}"
        )
        raise UserError(f"site {path}: {told}") from None


def _read(path: Path, seen: tuple[Path, ...]) -> Mapping[str, Any]:
    """The keys of a file, over those of the site that it extends."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(f"site {path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"site {path} is not TOML: {error}") from error
    base = content.pop("extends", None)
    if base is None:
        return content
    other = _file(str(base), besides=(*seen, path))
    return {**_read(other, (*seen, path)), **content}


def _file(name: str, besides: tuple[Path, ...] = ()) -> Path:
    for folder in _folders():
        path = folder / f"{name}.toml"
        if path.is_file() and path not in besides:
            return path
    raise UserError(f"site '{name}' is unknown, {nearest(name, site_names())}; your own go into {user_sites()}")


def user_sites() -> Path:
    """Where a user's own sites are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "raise-hpo" / "sites"


def slurm_folder() -> Path:
    """The installed folder ``slurm`` with scripts and sites."""
    spec = importlib.util.find_spec("slurm")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "ray_cluster.sh").is_file():
            return Path(place)
    raise UserError("the folder slurm/ with ray_cluster.sh is not installed beside raise_hpo; install raise-hpo again")


def _folders() -> list[Path]:
    return [user_sites(), slurm_folder() / "sites"]
