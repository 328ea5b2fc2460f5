"""One picture of everything that a push may move; taken before and after, and compared byte for byte."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.postgres import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.home import Home

_PORT = re.compile(r"\b[1-9]\d{4}\b|(?<=sandbox/inside )\d+")
"""Numbers that differ from life to life: ports, and the descriptor that a cage is told."""
_LEFTOVERS = ("*.lock", "*.tmp", "tmp_objdir-*", "*.partial", "*.journal")


def _refs(home: Home) -> dict[str, str]:
    out = subprocess.run(
        ["git", "-C", str(home.repo), "for-each-ref", "--format=%(refname) %(objectname)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(line.split(" ", 1) for line in out.splitlines())


def _processes(home: Home) -> list[str]:
    """Command lines of every process that names this remote's folder, and of everything below those."""
    needle = os.fsencode(home.path)
    commands: dict[int, bytes] = {}
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            commands[int(folder.name)] = (folder / "cmdline").read_bytes()
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    ours = {pid for pid, command in commands.items() if needle in command or home.digest.encode() in command}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    # the workers of the server come and go by themselves; one without a command line has just ended
    servers = {pid for pid, command in commands.items() if b"/postgres\0-D" in command}
    shown = [commands.get(pid, b"") for pid in ours if parents.get(pid) not in servers]
    lines = [command.replace(b"\0", b" ").decode("utf-8", "replace").strip() for command in shown if command]
    return sorted(_PORT.sub("PORT", line) for line in lines if not line.startswith("postgres: "))


def _leftovers(home: Home) -> Iterator[str]:
    for top in (home.repo, home.state):
        for pattern in _LEFTOVERS:
            for path in top.rglob(pattern):
                name = str(path.relative_to(home.path))
                if "/done/" in name or _is_our_flock(path, home) or name.startswith("state/cache/"):
                    continue
                yield name


def _is_our_flock(path: Path, home: Home) -> bool:
    """Our own flocks are files that stay; what counts is whether somebody holds them."""
    return path.suffix == ".lock" and path.is_relative_to(home.state)


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code}"
    except OSError as error:
        return f"no answer: {error}"


def database_picture(admin_url: str) -> dict[str, Any]:
    """Schema, rows and revision."""
    import psycopg

    with psycopg.connect(admin_url) as connection:
        taken = fingerprint.take(connection)
        rows = fingerprint.rows_digest(connection)
        version = connection.execute("select to_regclass('alembic_version')::text").fetchone()
        revisions = (
            sorted(str(row[0]) for row in connection.execute("select version_num from alembic_version"))
            if version and version[0]
            else []
        )
    return {
        "schema": taken.digest,
        "rows": {table: list(value) for table, value in sorted(rows.items())},
        "at": revisions,
    }


def snapshot(home: Home, *, admin_url: str = "", urls: dict[str, str] | None = None) -> str:
    """Refs, schema, rows, processes, pages, locks and temporary files, as one text."""
    picture: dict[str, Any] = {
        "refs": _refs(home),
        "processes": _processes(home),
        "left over": sorted(_leftovers(home)),
        "pages": {name: _page(url) for name, url in sorted((urls or {}).items())},
    }
    if admin_url:
        picture["database"] = database_picture(admin_url)
    return json.dumps(picture, indent=1, sort_keys=True)
