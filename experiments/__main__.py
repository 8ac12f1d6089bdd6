"""`python -m experiments`."""

import sys

from rmt_alpha.cli.entry import while_read

from .runner import main

if __name__ == "__main__":
    sys.exit(while_read(main))
