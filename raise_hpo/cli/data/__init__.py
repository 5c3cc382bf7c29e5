"""``raise-hpo data``: generate events, fetch public files, convert them."""

import typer

from raise_hpo.cli.data.convert import convert_app
from raise_hpo.cli.data.fetch import fetch
from raise_hpo.cli.data.generate import generate_app

data_app = typer.Typer(help="Generate events; fetch and convert public files.", no_args_is_help=True)
data_app.add_typer(generate_app, name="generate")
data_app.add_typer(convert_app, name="convert")
data_app.command()(fetch)
