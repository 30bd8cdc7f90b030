"""Runs the `homeroom` command: `python -m homeroom`."""

import sys

from homeroom.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
