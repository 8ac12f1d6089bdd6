"""What every test needs of its process."""

import os
import signal

# A shell starts what it runs in the background with SIGINT ignored, and so would start the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A process per core, each with BLAS threads on all of them, is up to ten times slower. Set before NumPy is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
