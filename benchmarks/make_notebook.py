"""Make `planted_risk.ipynb`, a small run of a benchmark, and execute it.

Run `python benchmarks/make_notebook.py` from the root, with the `docs` extra.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
SIZE = "--n-samples 400 --n-test 200 --duration 5 --n-members 1"

CELLS = [
    "# Attention is not attribution\n\n"
    "The risk of these simulated patients lies in one place: the ST segment of V5. A "
    "network learns it from 400 ECGs, and five methods are asked where it lies, in the "
    "20 test ECGs of highest predicted risk. A *hit* ranks V5, or ST, first; 95 % "
    "intervals stand in brackets.\n\n"
    "This is `bench_explanation.py`, smaller: one network, ECGs of five seconds. "
    "`make_notebook.py` made and executed it.",
    f'size = "{SIZE}"\n%run bench_explanation.py planted --plants "ST of V5" $size',
    "Occlusion and integrated gradients name the lead. Attention says where the "
    "network looked, not what moved its risk: it must not be read as an explanation "
    "without such a test.\n\nThe mean of both over the 20 ECGs:",
    "import numpy as np\n"
    "import pandas as pd\n"
    "from bench_explanation import planted_cohort\n\n"
    "from ecgdan_sk import DualAttentionSurvival\n"
    "from ecgdan_sk.explain import attention_maps, lead_occlusion\n\n"
    'X, y, _ = planted_cohort(400, ["ST of V5"], 5.0, 0)\n'
    "model = DualAttentionSurvival(n_members=1, random_state=0).fit(X, y)\n"
    'test, _, _ = planted_cohort(200, ["ST of V5"], 5.0, 1)\n'
    "highest = test[np.argsort(model.predict(test))[-20:]]\n"
    "columns = {\n"
    '    "attention": attention_maps(model, highest).to_frame().mean(),\n'
    '    "change of the log risk": lead_occlusion(model, highest).to_frame().mean(),\n'
    "}\n"
    "pd.DataFrame(columns).round(3)",
]


def notebook():
    """Text and code in turn."""
    make = (nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell)
    cells = [make[i % 2](text) for i, text in enumerate(CELLS)]
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"  # the same at each run
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = "ignore"  # they hold paths of this machine
    book = notebook()
    resources = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(book, timeout=1200, resources=resources).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran is of no interest
    nbformat.write(book, FOLDER / "planted_risk.ipynb")
