"""Make r_programs.json: results of R programs, from the public test data of torchsurv.

torchsurv's source distribution (MIT licence, Copyright (c) 2023 Novartis
Pharmaceuticals Corporation) holds what R programs found on the patients of `lung` and
`gbsg` of R's survival package. Kept here, to the four digits that are given:

- riskRegression's AUC at times, and the C-indices of survival and survC1, of the second
  halves: 114 and 84 patients of lung with a risk by age and by seven covariates, 343 of
  gbsg with a risk by age;
- Brier scores by SurvMetrics, in which torchsurv had put right whether an event at the
  very time counts, of a Weibull model by age, for a twelfth of the times;
- survival's log likelihood of a Cox model by age and sex, or by age and tumour size,
  and pec's weights for censoring, of all 228 and 686 patients.

Run `pip download --no-deps --no-binary :all: torchsurv==0.2.0`, unpack it, and then
`python tests/golden/make_r_programs.py torchsurv-0.2.0`.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).with_name("r_programs.json")
RANKED = {"lung_age": 0, "lung_all": 2, "gbsg_age": 3}
PREDICTED = {"lung_age": 0, "gbsg_age": 3}
WHOLE = {"lung": (1, 0), "gbsg": (4, 1)}
_EVERY = 12


def main(folder):
    """Write the file."""

    def results(name):
        path = Path(folder) / "tests" / "benchmark_data" / f"benchmark_{name}.json"
        return json.loads(path.read_text())

    auc, c_index = results("auc"), results("cindex")
    brier, cox, weights = (
        results(name) for name in ("brier_score", "cox_with_ties", "ipcw")
    )
    golden = {
        "source": "torchsurv 0.2.0, MIT licence, (c) 2023 Novartis Pharmaceuticals "
        "Corporation: results of survival, survC1, riskRegression, SurvMetrics, pec",
        "ranked": {n: ranked(auc[k], c_index[k]) for n, k in RANKED.items()},
        "predicted": {n: predicted(brier[k]) for n, k in PREDICTED.items()},
        "whole": {n: whole(cox[i], weights[j]) for n, (i, j) in WHOLE.items()},
    }
    FILE.write_text(json.dumps(golden) + "\n")


def outcome(event, time):
    """What happened."""
    return {"event": [int(status) for status in event], "time": time}


def ranked(auc, c_index):
    """A risk, its AUC at each time, and its C-indices."""
    assert auc["estimate"] == c_index["estimate"]
    return outcome(auc["test_status"], auc["test_time"]) | {
        "risk": auc["estimate"],
        "times": auc["times"],
        "auc": auc["auc_cd_Uno_riskRegression"],
        "harrell": c_index["c_Harrell_survival"][0],
        "uno": c_index["c_Uno_survC1"][0],
        "tau": max(c_index["times"]),
    }


def predicted(result):
    """Survival at some times, and its Brier scores."""
    return outcome(result["test_status"], result["test_time"]) | {
        "times": result["times"][::_EVERY],
        "survival": [row[::_EVERY] for row in result["estimate"]],
        "brier": result["brier_score_survMetrics"][::_EVERY],
    }


def whole(cox, weights):
    """Log hazards with their log likelihoods, and weights for censoring at times."""
    assert sorted(cox["time"]) == weights["time"]
    ties = {
        name: {
            "log_hazard": cox[f"log_hazard_{name}"][0],
            "log_likelihood": cox[f"log_likelihood_{name}"][0],
        }
        for name in ("efron", "breslow")
    }
    return outcome(cox["status"], cox["time"]) | {
        "ties": ties,
        "times": weights["times"],
        "weights": weights["ipcw_times"],
        "own_weights": weights["ipcw_subjectimes"],
    }


if __name__ == "__main__":
    main(sys.argv[1])
