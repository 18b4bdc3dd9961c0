"""What the pages and the README say still holds: tests exist, examples run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERIFIED = (ROOT / "docs" / "verified.rst").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLAIMS = sorted(set(re.findall(r"``(test_\w+\.py)::(test_\w+)``", VERIFIED)))
PAGES = [*ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"]


def test_claims_are_found():
    rows = len(re.findall(r"^   \* - (?!Quantity)", VERIFIED, re.MULTILINE))
    assert rows == len(re.findall(r"``test_\w+\.py::test_\w+``", VERIFIED)) > 50


@pytest.mark.parametrize(("file", "test"), CLAIMS)
def test_a_verified_quantity_names_a_test_that_exists(file, test):
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert f"\ndef {test}(" in text


def test_the_example_of_the_readme_runs(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    small = code.replace("cohort(300,", "cohort(80, duration=5,").replace(
        "Survival(", "Survival(max_epochs=1, n_members=1, "
    )
    assert small.count("duration=5") == small.count("max_epochs=1") == 1
    exec(compile(small, "README.md", "exec"), {})
    told = capsys.readouterr().out
    assert re.findall(r"^(.+): mean C-index 0\.\d", told, re.MULTILINE) == [
        "network",
        "Cox model",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_pictures_of_the_readme_are_small():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert len(pictures) == 2
    assert all((ROOT / picture).stat().st_size < 150_000 for picture in pictures)
