"""Snippets of the pages run with the tests; what is generated has its own."""

collect_ignore_glob = ["*.py", "_build/*", "gallery/*", "generated/*"]
