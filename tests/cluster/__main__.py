"""A cluster by hand: `python -m tests.cluster build`, `up FOLDER`, `down FOLDER`; `prepare` for a test run.

`prepare` builds, and as root installs the Debian packages that a node needs; for a cluster from outside it
does neither if there is a kubectl. `up` prints the path of a kubeconfig; with it in GITOPS_TEST_KUBECONFIG a test run starts nothing itself.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tests.cluster import build, packages, starter
from tests.cluster.given import GIVEN


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    commands.add_parser("prepare")
    for name in ("up", "down"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--node", action="store_true", help="with a node that runs pods; needs root")
    arguments = parser.parse_args()
    if arguments.command == "build":
        print(build.build())  # noqa: T201
    elif arguments.command == "prepare":
        if not os.environ.get(GIVEN):
            packages.install()
        build.programs()
    elif arguments.command == "up":
        print(starter.up(arguments.folder.resolve(), node=arguments.node))  # noqa: T201
    else:
        starter.down(arguments.folder.resolve())


if __name__ == "__main__":
    main()
