"""Sphinx configuration; `sphinx-build -W -b html docs docs/_build/html` builds all.

The examples run only when asked: with `-D plot_gallery=1`, at their small size.
"""

import inspect
import os
import sys
from pathlib import Path

import ecgdan_sk

sys.path.insert(0, str(Path(__file__).parent))
import generate

generate.write_all(Path(__file__).parent / "generated")

project = "ecgdan_sk"
author = "The ecgdan_sk developers"
copyright = author  # noqa: A001
version = release = ecgdan_sk.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
# What stands in single backticks is code, and a link where it is public.
default_role = "py:obj"
myst_heading_anchors = 2

autodoc_typehints = "none"
autosummary_generate = True
toc_object_entries_show_parents = "hide"
# Each method stands on the page of its class.
numpydoc_show_class_members = False

# PTB-XL cannot be shipped: its example runs where it is.
RUN = r"plot_" if os.environ.get("ECGDAN_DATA") else r"plot_(?!2_ptbxl)"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": RUN,
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    # Each page tells its own.
    "write_computation_times": False,
    # What has a page of its own is shown, as in a notebook; the rest prints or draws.
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "reset_argv": "generate.arguments_of_examples",
}
plot_gallery = "False"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_title = "ecgdan_sk"
html_show_sourcelink = False
# Nothing would lead to them: the reference lists everything.
html_use_index = html_domain_indices = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
WITHOUT_SIDEBAR = [
    "install",
    "first_model",
    "verified",
    "benchmarks",
    "benchmark_log",
    "changelog",
]
html_sidebars = {page: [] for page in WITHOUT_SIDEBAR}


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what classes inherit from other packages: they document it."""
    module = getattr(getattr(obj, "fget", obj), "__module__", None) or "ecgdan_sk"
    return None if module.startswith("ecgdan_sk") else True


def fold_signature(app, what, name, obj, options, signature, returns):
    """Shorten long signatures: the parameters are listed below them."""
    return signature and (generate.folded(signature, inspect.getdoc(obj)), returns)


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-skip-member", skip_foreign_members)
    # Before numpydoc, which would have the last word.
    app.connect("autodoc-process-signature", fold_signature, priority=400)
