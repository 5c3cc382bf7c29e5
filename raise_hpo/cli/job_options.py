"""What the commands that submit jobs let a user ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from raise_hpo.cluster.site import Site

SiteName = Annotated[str, typer.Option(help="The cluster: a site's name, or a TOML file.")]
Account = Annotated[str | None, typer.Option(help="The project to bill.")]
Partition = Annotated[str | None, typer.Option(help="Instead of the site's.")]
Qos = Annotated[str | None, typer.Option(help="Instead of the site's.")]
Cpus = Annotated[int | None, typer.Option(min=1, help="CPUs of a node, instead of the site's.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs of a node, instead of the site's.")]
Memory = Annotated[str | None, typer.Option(help="Memory of a node, such as 400G.")]


def hours_of(time: str | None, site: Site) -> float:
    """The wall time that ``--time`` gives, or else the site's longest, or an hour where it has none.

    Raises:
        UserError: It is no time.
    """
    from raise_hpo.cluster.script import parse_time

    return parse_time(time) if time else site.max_hours or 1.0
