"""pre-push, on the developer's machine: nothing depends on it, `--no-verify` skips it.

A push that brings no commits costs no import but this file: no `os` either.
"""

import sys

_LONGEST = 1 << 20
_FIELDS = 4


def main(arguments: list[str]) -> int:
    """Check the commits that git names on standard input; 1 refuses the push. `arguments`: remote and URL."""
    pushed = []
    for line in sys.stdin.buffer.read(_LONGEST).splitlines():
        fields = line.split(b" ")
        if len(fields) == _FIELDS and fields[1].strip(b"0") and fields[2].startswith(b"refs/heads/"):
            pushed.append(
                (fields[1].decode("ascii", "replace"), fields[2].decode("utf-8", "replace"), fields[3])
            )
    if not pushed:
        return 0
    # msgspec would load typing_extensions, and with it eleven modules, for names that typing has since 3.11.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # how Python itself blocks an import
    from gitops_cli.hooks import checking  # noqa: PLC0415 - only for a push that brings something

    del sys.modules["typing_extensions"]

    return checking.check(
        [checking.Pushed(oid, ref, old.decode("ascii")) for oid, ref, old in pushed], arguments
    )
