"""The command line: one command a file. Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted and resumable."""

from __future__ import annotations

import sys

import typer

from raise_hpo.cli.cancel import cancel
from raise_hpo.cli.data import data_app
from raise_hpo.cli.doctor import doctor
from raise_hpo.cli.export import export
from raise_hpo.cli.list import list_studies
from raise_hpo.cli.log import log
from raise_hpo.cli.predict import predict_app
from raise_hpo.cli.repeat import repeat
from raise_hpo.cli.report import report
from raise_hpo.cli.resume import resume
from raise_hpo.cli.scaling import scaling
from raise_hpo.cli.simulate import simulate
from raise_hpo.cli.status import status
from raise_hpo.cli.stop import stop
from raise_hpo.cli.submit import submit
from raise_hpo.cli.train import train
from raise_hpo.cli.tune import tune
from raise_hpo.cli.ui import ui
from raise_hpo.errors import UserError

app = typer.Typer(
    name="raise-hpo",
    help="Hyperparameter optimization for high-energy-physics deep learning, on Ray.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(tune)
app.command()(submit)
app.command()(resume)
app.command()(status)
app.command("list")(list_studies)
app.command()(log)
app.command()(stop)
app.command()(cancel)
app.command()(train)
app.command()(export)
app.command()(report)
app.command()(repeat)
app.command()(ui)
app.command()(simulate)
app.command()(doctor)
app.command()(scaling)
app.add_typer(data_app, name="data")
app.add_typer(predict_app, name="predict")


def main() -> None:
    """Run the command line; a user's mistake is one sentence on standard error, not a traceback."""
    try:
        app()
    except UserError as error:
        print(f"raise-hpo: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain when it flushes at exit.
        sys.stdout = None
        sys.exit(0)
