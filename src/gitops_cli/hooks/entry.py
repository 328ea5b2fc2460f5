"""Where the stubs in `templates/hooks` lead: `entry.py NAME PATHS PPID [git's arguments]`.

Started by path with `python -I -S`, so nothing of the environment, of the working directory or of `.pth`
files takes part; PATHS (joined by `:`) is where gitops and its dependencies lie. Imports as little as it
can: a push with nothing to look at must cost no more than the interpreter's own start.
"""

import sys


def main(argv: list[str]) -> int:
    """Run one hook and give its exit code. A server hook that breaks refuses the push."""
    name, paths, parent, *rest = argv
    sys.path[:0] = paths.split(":")
    try:
        return _run(name, parent, rest)
    except Exception as error:  # noqa: BLE001 - the last line: a traceback is nothing for a pusher
        from gitops_cli.adapters.report import write_report  # noqa: PLC0415

        try:
            where = f"the report is in {write_report(f'hook {name}', error)}"
        except OSError as reason:
            where = f"no report could be written ({reason.strerror})"
        sys.stderr.write(f"gitops: a bug of gitops ({type(error).__name__}); {where}\n")
        return 0 if name == "pre-push" else 1


def _run(name: str, parent: str, rest: list[str]) -> int:
    if name == "pre-push":
        from gitops_cli.hooks import pre_push  # noqa: PLC0415 - each hook loads only its own

        return pre_push.main(rest)
    if name == "pre-receive":
        from gitops_cli.hooks import pre_receive  # noqa: PLC0415

        return pre_receive.main(int(parent))
    if name == "proc-receive":
        from gitops_cli.hooks import proc_receive  # noqa: PLC0415

        return proc_receive.main(int(parent))
    if name == "post-receive":
        from gitops_cli.hooks import post_receive  # noqa: PLC0415

        return post_receive.main(int(parent))
    sys.stderr.write("gitops: an unknown hook\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
