"""One file per format; each reads into a `Recording`."""
