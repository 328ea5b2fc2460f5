"""The eight escapes: what a hostile migration tries (facts of the design, 2.6), for tests of migrations.

Each is a body of Python for inside a migration's `upgrade()`: with `op` of Alembic and AIM, a dictionary of
what to attack. It raises when it is refused; when it succeeds it writes `escaped: NAME` to standard error and
goes on, so that the release would go through. `sleep` never ends: the release's limit ends it.
"""

from __future__ import annotations

import textwrap

READ_KUBECONFIG = "open(AIM['secret']).read()"
READ_ENVIRONMENT_OF_PROCESS = "open('/proc/%d/environ' % AIM['victim'], 'rb').read()"
REACH_LOOPBACK = "__import__('socket').create_connection(('127.0.0.1', AIM['port']), 2)"
WRITE_REPOSITORY = "open(AIM['repository'] + '/hooks/post-receive', 'w').write('#!/bin/sh')"
FORK_BOMB = """\
import os, signal
children = []
try:
    for _ in range(AIM['forks']):
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
finally:
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
"""
SLEEP = """\
import os, signal, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(3600)
"""
READ_SERVER_FILE = "op.get_bind().exec_driver_sql(\"SELECT pg_read_file('/etc/passwd')\").all()"
COPY_TO_PROGRAM = "op.get_bind().exec_driver_sql(\"COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'\")"

KILL_PARENT = "import os; os.kill(os.getppid(), 9)"
"""Not one of the eight: in a pid namespace the parent is process 1, which no signal from inside kills."""

ESCAPES: dict[str, str] = {
    "kubeconfig": READ_KUBECONFIG,
    "environ": READ_ENVIRONMENT_OF_PROCESS,
    "loopback": REACH_LOOPBACK,
    "repository": WRITE_REPOSITORY,
    "fork-bomb": FORK_BOMB,
    "sleep": SLEEP,
    "pg_read_file": READ_SERVER_FILE,
    "copy-to-program": COPY_TO_PROGRAM,
}


def body(name: str, aim: dict[str, object]) -> str:
    """Give the lines of one escape, not indented: `aim` has secret, victim, port, repository, forks."""
    return f"import sys\nAIM = {aim!r}\n{ESCAPES[name].rstrip()}\nsys.stderr.write('escaped: {name}\\n')\n"


def migration(name: str, aim: dict[str, object], revision: str, down_revision: str | None) -> str:
    """Give a whole Alembic migration that tries one escape in its upgrade."""
    return (
        "from alembic import op\n"
        f"revision = {revision!r}\ndown_revision = {down_revision!r}\n"
        f"def upgrade():\n{textwrap.indent(body(name, aim), '    ')}"
        "def downgrade():\n    pass\n"
    )
