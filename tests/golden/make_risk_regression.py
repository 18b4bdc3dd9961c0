"""Make risk_regression.json: AUC at times by R's riskRegression, from torchsurv.

torchsurv's source distribution holds results of R programs as public test data. Those
of `riskRegression::Score` (Kaplan-Meier censoring) on R's lung and gbsg data are kept
here, to the four digits that are given: 114 and 84 patients of lung with a risk by age
and by seven covariates, 343 of gbsg with a risk by age.

Run `pip download --no-deps --no-binary :all: torchsurv==0.2.0`, unpack it, and then
`python tests/golden/make_risk_regression.py torchsurv-0.2.0`.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).with_name("risk_regression.json")
CASES = {"lung_age": 0, "lung_all": 2, "gbsg_age": 3}


def main(folder):
    """Write the file."""
    path = Path(folder) / "tests" / "benchmark_data" / "benchmark_auc.json"
    results = json.loads(path.read_text())
    golden = {
        "programs": "R riskRegression and survival, by the data of torchsurv 0.2.0",
        "cases": {name: read_case(results[k]) for name, k in CASES.items()},
    }
    FILE.write_text(json.dumps(golden) + "\n")


def read_case(result):
    """What happened, what was predicted, and the AUC at each time."""
    return {
        "event": [int(status) for status in result["test_status"]],
        "time": result["test_time"],
        "risk": result["estimate"],
        "times": result["times"],
        "auc": result["auc_cd_Uno_riskRegression"],
    }


if __name__ == "__main__":
    main(sys.argv[1])
