"""A task that kills its process the first time; it loads nothing else."""

import os


def die_once(file, number):
    """The square of a number, unless the file is not there yet."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return number**2
    os._exit(1)
