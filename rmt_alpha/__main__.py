"""`python -m rmt_alpha`: the command `rmt-alpha`, where its script is not on the path."""

import sys

from rmt_alpha_command import main

if __name__ == "__main__":
    sys.exit(main())
