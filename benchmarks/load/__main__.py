"""The entry of the load generator's process: patch first, then run."""

import os
import signal
import sys

# Ctrl-C goes to the terminal's whole process group. Only the harness decides what it means.
signal.signal(signal.SIGINT, signal.SIG_IGN)
# No linear algebra here: the threads of NumPy's BLAS would only cost start-up.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import locust  # noqa: E402, F401  (patches sockets, threads and time: before anything else imports them)

from benchmarks.load.process import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
