"""What several test files share."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Pictures are drawn without a screen.
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def ecgdan_data():
    """Folder of real recordings, for tests marked `realdata`; skips without it."""
    default = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("ECGDAN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder}; set ECGDAN_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def seen(browser):
    """Open a page wide and on a phone; what it says, asks for or lets overflow."""

    def look(path):
        said = []
        view = browser.new_page()
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: said.append(request.url))
        view.goto(path.as_uri())
        said.remove(path.as_uri())
        for width in (1280, 390):
            view.set_viewport_size({"width": width, "height": 800})
            over = view.evaluate("document.documentElement.scrollWidth") - width
            said += [f"{over} pixels too wide at {width}"] * (over > 0)
        view.close()
        return said

    return look
