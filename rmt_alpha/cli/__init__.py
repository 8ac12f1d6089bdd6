"""The command line, `rmt-alpha COMMAND …`: a file per command; `entry` lists and runs them."""

from .entry import main as main
