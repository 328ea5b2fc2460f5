"""squawk on the SQL that really ran in the rehearsal: all pending migrations as one input."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.errors import GitopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal

MOST = 8
SECONDS = 20.0
LEFT_OUT = (
    "prefer-robust-stmts",  # in one transaction nothing is left half done
    "require-lock-timeout",  # gitops sets both
    "require-statement-timeout",
    "prefer-text-field",  # matters of style
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-timestamptz",
)
_VALUE = re.compile(r"%\(\w+\)s(?:::[A-Za-z ]+)?|%s")


class _Finding(msgspec.Struct):
    line: int
    level: str
    message: str
    rule_name: str


def lines(job: Job, rehearsal: Rehearsal, filled: set[str]) -> Iterator[str]:
    """Give a warning a line, for revisions that touch tables with rows; no squawk, one line that says so."""
    touching = {touched.revision for touched in rehearsal.touched if touched.table in filled}
    if not touching or not rehearsal.sql:
        return
    program = _program()
    if program is None:
        yield "note: squawk is not installed, so the SQL was not checked"
        return
    text, owners = _input(rehearsal)
    try:
        done = processes.run(
            [str(program), "--assume-in-transaction", "--reporter", "json", "--exclude", ",".join(LEFT_OUT)],
            data=text.encode("utf-8", "replace"),
            timeout=SECONDS,
        )
        found = msgspec.json.decode(done.out or b"[]", type=list[_Finding])
    except (GitopsError, msgspec.MsgspecError):
        yield "note: squawk could not read the SQL"
        return
    shown = [one for one in found if one.level == "Warning" and owners.get(one.line, "") in touching]
    for one in shown[:MOST]:
        revision = owners[one.line]
        yield f"warning: {job.files.get(revision, revision)}: {one.message.splitlines()[0]} ({one.rule_name})"
    if len(shown) > MOST:
        yield f"warning: and {len(shown) - MOST} more"


def _input(rehearsal: Rehearsal) -> tuple[str, dict[int, str]]:
    """Join the statements; give the text and the revision of each line, counted from 0 as squawk does."""
    text: list[str] = []
    owners: dict[int, str] = {}
    for revision, statement in rehearsal.sql:
        plain = _VALUE.sub("NULL", statement).replace("%%", "%").strip().rstrip(";") + ";"
        for line in plain.split("\n"):
            owners[len(text)] = revision
            text.append(line)
    return "\n".join(text) + "\n", owners


def _program() -> Path | None:
    beside = Path(sys.executable).with_name("squawk")
    if beside.exists():
        return beside
    found = shutil.which("squawk", path=processes.clean_env()["PATH"])
    return Path(found) if found else None
