"""Run in the cage as `python -I __main__.py IN OUT`.

It is the only code of gitops that leads to SQLAlchemy and Alembic. The interpreter may be the
application's own, which knows nothing of gitops: this package is found by its path, and the path is
taken away again before any pushed code runs.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[4]))
    from gitops_cli.adapters.migrations.cage.serve import main

    del sys.path[0]
    main(int(sys.argv[1]), int(sys.argv[2]))
