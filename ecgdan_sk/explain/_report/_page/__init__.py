"""One HTML document, which needs nothing but itself, of a `RiskReport`."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from ._evidence import card, faithfulness, measurements
from ._sections import ecg, effects, heading, risk
from ._tags import tag, written

_ORDER = (heading, ecg, risk, effects, measurements, faithfulness, card)


def document(report):
    """The whole page as text; whatever it is told stays text."""
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    parts = [section(report) for section in _ORDER]
    html = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag(
                "meta",
                http_equiv="Content-Security-Policy",
                content=_policy(style, script),
            ),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"ECG risk report: {report.id}"),
            tag("style", style),
        ),
        tag("body", tag("main", *parts), tag("script", script)),
        lang="en",
    )
    page = "<!doctype html>\n" + written(html) + "\n"
    # Half a surrogate in an id cannot be written in UTF-8.
    return page.encode("utf-8", errors="replace").decode()


def _policy(style, script):
    """Nothing may be loaded or run but this style and this script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text):
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _asset(name):
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
