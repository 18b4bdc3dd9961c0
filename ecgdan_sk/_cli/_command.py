"""Common parts of the commands: options, errors in one line, exit codes.

Exit code 0 means success, 1 an error, 2 a wrong command line, 130 an interruption.
"""

import inspect
import sys
import warnings
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Heart-failure risk from raw 12-lead ECGs: from a folder and a table to an "
    "answer. For research; not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ECGs = Annotated[
    Path,
    typer.Argument(
        help="Folder of ECG files in any formats, a single file, or a cohort of "
        "'ecgdan-sk read'.",
        metavar="ECGS",
    ),
]
Table = Annotated[
    Path,
    typer.Argument(
        help="Table of outcomes: CSV, Excel or Parquet, a row per ECG or patient.",
        metavar="OUTCOMES",
    ),
]
Model = Annotated[
    Path,
    typer.Argument(
        help="Folder 'model' of a study, or a file written by save().", metavar="MODEL"
    ),
]
Jobs = Annotated[int, typer.Option("--n-jobs", help="Processes; -1: all processors.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random numbers.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        help="Sampling rate in Hz to which all ECGs are resampled. CSV and NumPy files "
        "without a rate are assumed to have it.",
    ),
]


def _column(flag, told):
    return Annotated[str | None, typer.Option(flag, help=told, metavar="COLUMN")]


Id = _column("--id", "Column that names the ECG file or the patient.")
Patient = _column("--patient", "Column of the patients, where --id names the ECGs.")
Age = _column("--age", "Column of the age in years.")
Sex = _column("--sex", "Column of the sex: 0/m/male, 1/f/w/female.")
Event = _column("--event", "Column that says whether the event came (1/0, yes/no).")
Time = _column(
    "--time", "Column of the time from the ECG to the event or last contact."
)
ECGDate = _column("--ecg-date", "Column of the dates of the ECGs.")
EventDate = _column("--event-date", "Column of the dates of the event.")
LastContact = _column("--last-contact", "Column of the dates of the last contact.")
End = Annotated[
    str | None,
    typer.Option("--end", help="End of the data for all patients.", metavar="DATE"),
]
Unit = Annotated[
    str | None, typer.Option("--unit", help="Of --time: days, weeks, months, years.")
]
Keep = Annotated[
    str,
    typer.Option("--keep", help="ECGs of a patient to keep: all, first or last."),
]


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

# Arguments of `study.assemble`; a column with the name of its option is optional.
_COLUMNS = {
    "id": (Id, None),
    "patient": (Patient, None),
    "age": (Age, None),
    "sex": (Sex, None),
    "event": (Event, None),
    "time": (Time, None),
    "ecg_date": (ECGDate, None),
    "event_date": (EventDate, None),
    "last_contact": (LastContact, None),
    "end": (End, None),
    "unit": (Unit, None),
    "keep": (Keep, "all"),
}


def command(example):
    """Make a function a command: an example, --debug, errors in one line.

    A parameter `columns` becomes the options that name the columns of a table.
    """

    def decorated(function):
        signature = inspect.signature(function)
        parameters = dict(signature.parameters)
        more = {"debug": (Debug, False)}
        takes_columns = parameters.pop("columns", None) is not None
        if takes_columns:
            more = _COLUMNS | more

        @wraps(function)
        def run(*args, debug, **options):
            if takes_columns:
                options["columns"] = {name: options.pop(name) for name in _COLUMNS}
            with _told(debug):
                return function(*args, **options)

        kind = inspect.Parameter.KEYWORD_ONLY
        parameters |= {
            name: inspect.Parameter(name, kind, default=default, annotation=annotation)
            for name, (annotation, default) in more.items()
        }
        run.__signature__ = signature.replace(parameters=[*parameters.values()])
        run.__annotations__ = {n: p.annotation for n, p in parameters.items()}
        run.example = f"Example: ecgdan-sk {example}"
        return run

    return decorated


def say(text):
    """Print the result of a command."""
    typer.echo(text)


@contextmanager
def _told(debug):
    """Errors and warnings in one line each, and an exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _warning_line
        try:
            yield
        except KeyboardInterrupt:
            _fail("Broken off. The same command goes on with what is finished.", 130)
        except typer.Exit:
            raise
        except Exception as error:
            if debug:
                raise
            _fail(_line_of(error), 1)


def _fail(line, code):
    print(line, file=sys.stderr)
    raise typer.Exit(code)


def _line_of(error):
    """Error message in one line, with a remedy."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.strerror}: {error.filename}. Look at the path, its rights and "
        text += "the room on the disk."
    # Intended errors say what to do; others need their traceback.
    if isinstance(error, ValueError | OSError | ImportError | FloatingPointError):
        return f"Error: {text}"
    return (
        f"Error: {type(error).__name__}: {text} This was not foreseen; run it again "
        "with --debug and report what it prints."
    )


def _warning_line(message, category, *_):
    print(f"Warning: {' '.join(str(message).split())}", file=sys.stderr)
