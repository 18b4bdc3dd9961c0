"""HTML and SVG as trees, whose texts are escaped as they are written."""

from xml.etree import ElementTree


def tag(name, /, *children, **attributes):
    """Make an element; children are elements, text or None.

    `class_` becomes `class`, and other underscores in attribute names become hyphens.
    An attribute of None is left out.
    """
    written = {
        key.rstrip("_").replace("_", "-"): str(value)
        for key, value in attributes.items()
        if value is not None
    }
    element, last = ElementTree.Element(name, written), None
    for child in children:
        if child is None:
            continue
        if isinstance(child, ElementTree.Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + str(child)
        else:
            last.tail = (last.tail or "") + str(child)
    return element


def written(element):
    """HTML text of a tree; script and style are written as they are."""
    return ElementTree.tostring(element, encoding="unicode", method="html")


def number(value, digits=2):
    """A coordinate as short as it can be."""
    return f"{round(float(value), digits):g}"
