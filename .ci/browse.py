"""Look at every built page in a browser: errors, overflow, contrast, dead links.

Run `python .ci/browse.py docs/_build/html [--screenshots FOLDER] [--only NAME ...]`
with playwright, axe-playwright-python and a Chromium. Each page is opened wide and on
a phone, light and dark; whatever is wrong with one is printed and fails the run.
"""

import argparse
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

WIDTHS = {"wide": (1280, 800), "phone": (390, 844)}
SCHEMES = ("light", "dark")
ALIKE = {("wide", "light"), ("wide", "dark"), ("phone", "dark")}
# The gallery's own frames hide their links from screen readers and say them elsewhere.
LEFT_OUT = {"exclude": [[".sphx-glr-thumbcontainer"]]}
# WCAG AA; what a page says to screen readers is judged with it.
RULES = {"runOnly": ["color-contrast", "image-alt", "link-name", "label"]}
# Whatever is wider than the screen without scrolling within itself.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

LINKS = """[
    [...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")),
    [...document.querySelectorAll("[id]")].map((e) => e.id),
]"""


def main():
    """Look at the pages of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="parts of page names")
    options = parser.parse_args()
    folder = options.folder.resolve()
    pages = sorted(
        page
        for page in folder.rglob("*.html")
        # What lies there are the theme's templates, no pages.
        if "_static" not in page.relative_to(folder).parts
        if not options.only or any(part in str(page) for part in options.only)
    )
    found, links, anchors = defaultdict(list), {}, {}
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in SCHEMES:
            for name, (width, height) in WIDTHS.items():
                view = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                watch = Watch(view)
                for page in pages:
                    # Pages of the reference are alike: one of the four will do.
                    if "generated" in page.parts and (name, scheme) in ALIKE:
                        continue
                    where = f"{page.relative_to(folder)} ({name}, {scheme})"
                    for problem in watch.looked_at(page):
                        found[problem].append(where)
                    links[page], ids = view.evaluate(LINKS)
                    anchors[page] = {"", *ids}
                    if options.screenshots:
                        shot = "-".join([*page.relative_to(folder).parts, name, scheme])
                        view.screenshot(path=options.screenshots / f"{shot}.png")
                view.close()
        browser.close()
    found |= dead_links(folder, links, anchors)
    for problem, places in found.items():
        print(f"{problem}\n    on {len(places)} pages, such as {places[0]}")
    print(f"{len(pages)} pages looked at, {len(found)} kinds of problems")
    sys.exit(bool(found))


class Watch:
    """One view, and what goes wrong in it."""

    def __init__(self, view):
        self.view, self.said, self.axe = view, [], Axe()
        view.on("console", self._console)
        view.on("pageerror", lambda error: self.said.append(str(error)))
        # Pages must be whole without a network; formulas come from one.
        view.route("**/*", self._route)

    def looked_at(self, page):
        """What is wrong with one page."""
        self.said.clear()
        self.view.goto(page.as_uri())
        over = self.view.evaluate(OVERFLOW)
        if over > 0:
            yield f"wider than the screen by {over} pixels"
        yield from self.said
        for rule in self._violations():
            for node in rule["nodes"]:
                yield f"{rule['id']}: {' '.join(map(str, node['target']))}"

    def _violations(self):
        return self.axe.run(self.view, LEFT_OUT, RULES).response["violations"]

    def _console(self, message):
        if message.type == "error":
            self.said.append(f"console: {message.text} ({message.location['url']})")

    def _route(self, route):
        if urlsplit(route.request.url).scheme in ("file", "data"):
            route.continue_()
        else:
            route.fulfill(status=200, body="")


def dead_links(folder, links, anchors):
    """Links to files or anchors of the site that are not there."""
    found = defaultdict(list)
    for page, targets in links.items():
        for link in targets:
            url, name = urlsplit(link), str(page.relative_to(folder))
            if url.scheme or url.netloc:
                continue
            target = (page.parent / unquote(url.path)).resolve() if url.path else page
            if not target.exists():
                found[f"dead link: {link}"].append(name)
            elif unquote(url.fragment) not in anchors.get(target, {url.fragment}):
                found[f"dead anchor: {link}"].append(name)
    return found


if __name__ == "__main__":
    main()
