"""Run in the cage as `python -I __main__.py IN OUT`.

It is the only code of gitops that leads to SQLAlchemy and Alembic. The interpreter may be the
application's own, which knows nothing of gitops: this package is found by its path, and the path is
taken away again before any pushed code runs.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def stand_between() -> None:
    """Put a process between the cage's first one and the migrations, which die with it.

    Signals to the first process of a pid namespace are dropped: a migration that kills its parent would
    otherwise go on, and be released.
    """
    parent = os.getpid()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    stand_between()
    sys.path.insert(0, str(Path(__file__).resolve().parents[4]))
    from gitops_cli.adapters.migrations.cage.serve import main

    del sys.path[0]
    main(int(sys.argv[1]), int(sys.argv[2]))
