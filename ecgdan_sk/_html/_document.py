"""The document around the parts of a page."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from ._tags import tag, written


def document(title, parts, *, style="", script=""):
    """A whole page as text: elements under a title, with a style and a script of it."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8") + style
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
            tag("title", title),
            tag("style", style),
        ),
        tag("body", tag("main", *parts), tag("script", script) if script else None),
        lang="en",
    )
    return "<!doctype html>\n" + fragment(html) + "\n"


def fragment(element):
    """A part of a page as text, such as notebooks show."""
    # Half a surrogate in an id cannot be written in UTF-8.
    return written(element).encode("utf-8", errors="replace").decode()


def _policy(style, script):
    """Nothing may be loaded or run but this style and this script."""
    scripts = f"script-src {_hash(script)}; " if script else ""
    return (
        f"default-src 'none'; style-src {_hash(style)}; {scripts}"
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text):
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
