"""The command `gitops`. `--version` answers before anything is imported (at most 50 modules)."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        from gitops_cli import __version__  # noqa: PLC0415 - the quick path

        sys.stdout.write(f"gitops {__version__}\n")
        return
    from gitops_cli.cli.main import run  # noqa: PLC0415 - typer costs 80 ms

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
