"""Building blocks of page sections."""

from ._tags import tag


def section(title, *parts, class_=None):
    """A part of the page under its heading."""
    return tag("section", tag("h2", title), *parts, class_=class_)


def note(text):
    """Note on the content above."""
    return tag("p", text, class_="note")


def definitions(pairs, class_):
    """List of names with their descriptions."""
    items = [tag("div", tag("dt", name), tag("dd", said)) for name, said in pairs]
    return tag("dl", *items, class_=class_)


def table(title, names, rows, class_=None):
    """A table that scrolls sideways, by keyboard too, where the page is narrow."""
    head = tag("tr", *[tag("th", name, scope="col") for name in names])
    rows = tag("table", tag("thead", head), tag("tbody", *rows), class_=class_)
    return tag(
        *("div", rows), class_="scroll", tabindex=0, role="region", aria_label=title
    )
