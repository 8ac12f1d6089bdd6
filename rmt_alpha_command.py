"""The command `rmt-alpha`, outside the package: importing that takes a second or two, in which Ctrl-C is to be as quiet as later."""

import os
import signal

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> int:
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from rmt_alpha.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()
