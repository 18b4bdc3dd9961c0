"""`python -m ecgdan_sk` is `ecgdan-sk`."""

from ._cli import main

if __name__ == "__main__":
    main()
