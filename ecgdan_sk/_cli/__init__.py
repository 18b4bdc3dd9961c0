"""The command line: one file per command, no logic of its own."""

import sys

from ._command import app
from ._demo import demo
from ._info import info
from ._inspect import check, measure
from ._page import page
from ._predict import predict
from ._pretrain import pretrain
from ._read import read
from ._study import study
from ._validate import validate

COMMANDS = [demo, read, check, measure, study]
COMMANDS += [predict, validate, page, pretrain, info]

for command in COMMANDS:
    app.command(epilog=command.example)(command)


def main():
    """Run a command."""
    sys.exit(app(prog_name="ecgdan-sk"))
