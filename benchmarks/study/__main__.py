"""The paper's questions, asked fairly: one study of any cohort, with its tables.

Run `OMP_NUM_THREADS=1 python benchmarks/study --data mi-like --scale small --out
FOLDER`. Does the dual attention help, does report pretraining help, does the network
beat the Cox models, how many events does it need? Every method meets the same folds; a
finished fold is kept, so that a killed run goes on when it is called again.

Scale small is what a nightly run can afford: ten draws of 300 patients with 30 events,
ECGs of 5 s, 2 folds, one network of 15 epochs, without the published network. It shows
that the study works; its intervals say how little it proves. Scale full has the paper's
sizes and folds, ten draws and the default settings. Expected on two cores, from single
fits: 3 hours for each draw of mi-like and 2 days of hyp-like without the published
network, which takes 3 days for each draw of mi-like; so run it on a GPU, and its parts
by --methods, --protocols, --repeats and --draws into the same folder.
"""

import argparse
import dataclasses
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import matplotlib

from ecgdan_sk.study._store import Store

if __package__ == "":  # run by the folder's name, which puts its inside on the path
    sys.path[0] = str(Path(__file__).parents[1])

from study import foundation
from study.cohorts import simulated_cohort
from study.folds import all_tasks
from study.methods import METHODS
from study.readers import pretraining_folder, stored_cohort
from study.report import write_report
from study.run import Study
from study.scales import SCALES, STACKS, TUNED
from study.tables import REFERENCE

_SIMULATED = ("mi-like", "hyp-like")


def main(arguments=None):
    """Run what is missing of a study and write its report; 1 if a fold failed."""
    options = _parser().parse_args(arguments)
    options.methods, weights = foundation.expanded(options.methods or ())
    matplotlib.use("Agg")
    scale = _scale(options)
    out = Path(options.out)
    if options.data in _SIMULATED:
        pretrain_on = pretraining_folder(out, options)
        cohort = simulated_cohort(options.data, scale, pretrain_on)
    else:
        cohort = stored_cohort(options.data, out, options, scale)
    # Once the cohort is read, so that a wrong path is no setting.
    store = _store(out, _settings(options, scale))
    foundation.check_same_weights(out, weights)
    methods, left_out = _methods(options, scale, cohort)
    tasks = all_tasks(cohort, scale, methods, options.protocols or scale.protocols)
    errors = Study(cohort, scale, store, options.storage, weights).run(
        tasks, options.n_jobs
    )
    for error in errors:
        print(error, file=sys.stderr)
    report = write_report(out, cohort, options.scale, left_out, options.against)
    print(*left_out, report, sep="\n")
    return int(bool(errors))


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", required=True, metavar="NAME_OR_PATH", help=_DATA_HELP)
    add("--scale", choices=SCALES, default="small")
    add("--out", required=True, metavar="FOLDER", help="of the results")
    add("--methods", nargs="+", type=_method, metavar="METHOD", help=_METHODS_HELP)
    add("--against", type=_compared, default=REFERENCE, metavar="METHOD", help=_AGAINST)
    add("--protocols", nargs="+", choices=["2-fold", "5-fold"])
    add("--repeats", type=int, metavar="N", help="of the folds, if not all")
    add("--n-jobs", type=int, default=1, help="processes")
    add("--tune", action="store_true", help=f"also {', '.join(TUNED)}")
    add(
        "--storage", metavar="URL", help="of the searches: database URL or journal file"
    )
    add("--draws", type=int, metavar="N", help="of the simulated outcomes")
    add("--n-samples", type=int, metavar="N", help="patients, if not all")
    add("--outcomes", metavar="PATH", help="MIMIC-IV's hosp, or a UK Biobank table")
    add("--cohort", default="hypertension", help="of UK Biobank; see ukb_cohort")
    add(
        "--pretrain-on",
        metavar="PATH",
        help="PTB-XL, for its reports",
    )
    return parser


def _method(text):
    """A method as the command line may name it."""
    if text in METHODS or text == STACKS or foundation.is_option(text):
        return text
    raise argparse.ArgumentTypeError(
        f"there is no method {text!r}; there are {', '.join([*METHODS, STACKS])}"
    )


def _compared(text):
    """A method that others can be compared with."""
    if text in METHODS:
        return text
    raise argparse.ArgumentTypeError(f"there is no method {text!r} to compare with")


_METHODS_HELP = (
    "those of the scale, if not given; foundation:NAME=PATH is a published model with "
    "weights of your own, beside its random twin (foundation:NAME: the twin alone)"
)
_AGAINST = f"that the others are compared with, if it is run; {REFERENCE} if not given"
_DATA_HELP = (
    "mi-like or hyp-like (simulated), or a folder of PTB-XL (simulated follow-up), "
    "CODE-15, SaMi-Trop, MIMIC-IV-ECG or UK Biobank"
)


def _scale(options):
    """The scale, with what the command line changes of it."""
    changes = {"n_draws": options.draws, "n_samples": options.n_samples}
    given = {name: value for name, value in changes.items() if value is not None}
    scale = SCALES[options.scale]
    protocols = {
        name: (n_splits, seeds[: options.repeats])
        for name, (n_splits, seeds) in scale.protocols.items()
    }
    return dataclasses.replace(scale, protocols=protocols, **given)


def _methods(options, scale, cohort):
    """Names of the methods that can be run here, and why others cannot."""
    wanted = [*(options.methods or scale.methods), *(TUNED if options.tune else ())]
    methods, left_out = [], []
    for name in dict.fromkeys(wanted):
        if name == "random-convolutions" and find_spec("aeon") is None:
            left_out.append(f"Left out: {name}, as aeon is not installed.")
        elif name in METHODS and METHODS[name].objective and not cohort.pretrains:
            left_out.append(f"Left out: {name}, as it needs --pretrain-on here.")
        elif cohort.name == "ptb-xl" and "ptbxl-100hz" in name:
            left_out.append(f"Left out: {name}, as its encoder knows these reports.")
        else:
            methods.append(name)
    return methods, left_out


def _settings(options, scale):
    """Settings that must not change within a folder; a study may be extended."""
    own = ("data", "outcomes", "cohort", "pretrain_on")
    settings = {name: getattr(options, name) for name in own}
    settings |= dataclasses.asdict(scale)
    for free in ("methods", "n_draws", "shares", "protocols"):
        settings.pop(free)
    return settings


def _store(out, settings):
    """The results in a folder, which must be those of the same study."""
    try:
        return Store.open(out, settings, restart=None)
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="sksurv")
    sys.exit(main())
