"""Serve the parent's commands: one connection, in transactions that only the parent ends.

It decides nothing: the parent sends commands and judges what comes back.

Alembic alone does not keep "one transaction": `autocommit_block()` and `op.get_bind().commit()` commit
silently. A deferred constraint trigger refuses every COMMIT that the parent did not order, and the
transaction id must be the same after each revision, which a smuggled ROLLBACK would change.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.migrations.cage import driver
from gitops_cli.adapters.migrations.cage.explain import Finished, Ignored, Signalled, Smuggled, explain
from gitops_cli.adapters.migrations.cage.pipe import Pipe
from gitops_cli.adapters.migrations.cage.trace import Trace
from gitops_cli.adapters.migrations.cage.tree import Finder, Tree, own_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

IDLE, IN_TRANSACTION = 0, 2
"""libpq's PQTRANS_IDLE and PQTRANS_INTRANS."""
MAX_STATEMENT = 20_000
MAX_CAPTURED = 2_000_000
GUARD = (
    "CREATE TEMP TABLE _gitops_guard(x int) ON COMMIT DROP",
    """CREATE OR REPLACE FUNCTION pg_temp._gitops_guard() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('gitops.commit_ok', true) IS DISTINCT FROM 'yes' THEN
      RAISE EXCEPTION 'a migration tried to COMMIT on its own' USING errcode = '2D000'; END IF;
    RETURN NULL; END$$""",
    """CREATE CONSTRAINT TRIGGER g AFTER INSERT ON pg_temp._gitops_guard DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION pg_temp._gitops_guard()""",
    "INSERT INTO pg_temp._gitops_guard VALUES (1)",
)


class Child:
    """One connection, and the commands that the parent may send."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.finder = Finder()
        self.trees: dict[str, Tree] = {}
        self.scripts: dict[str, tuple[Any, Any]] = {}
        self.engine: Any = None
        self._driver_connection: Any = None
        self.connection: Any = None
        self.transaction: Any = None
        self.current: tuple[str, str] = ("", "")
        self.configured = False
        self.ran = False
        self.version_table: list[str] = []
        self.captured: list[tuple[str, str]] = []
        self.room = MAX_CAPTURED
        self.xid = ""

    # -- commands ------------------------------------------------------------------------------------

    def do_setup(self, trees: Mapping[str, Sequence[str]], packages: Sequence[str]) -> dict[str, Any]:
        """Learn where the exported trees are, import the libraries, and allow no other connection."""
        sys.path.extend(path for path in packages if path not in sys.path)
        sys.meta_path.append(self.finder)
        for name, (root, folder, ini) in trees.items():
            self.trees[name] = Tree(Path(root), Path(root, folder), ini)
        importlib.import_module("alembic.command")
        self._patch()
        return {"python": sys.version.split()[0], "alembic": importlib.import_module("alembic").__version__}

    def do_open(self, where: Mapping[str, Any]) -> dict[str, Any]:
        """Connect."""
        sqlalchemy: Any = importlib.import_module("sqlalchemy")
        dialect, connect = driver.find()
        self.engine = sqlalchemy.create_engine(
            f"postgresql+{dialect}://", creator=lambda: connect(**where), poolclass=sqlalchemy.pool.NullPool
        )
        self.connection = self.engine.connect()
        self._driver_connection = driver.raw_of(self.connection)
        self.connection.close = lambda: None  # `with connection:` in an env.py would end everything
        sqlalchemy.event.listen(self.engine, "before_cursor_execute", self._capture)
        return {"pid": self.rows("SELECT pg_backend_pid()")[0][0], "driver": dialect}

    def do_begin(self, settings: Sequence[str]) -> dict[str, Any]:
        """Begin a transaction that only the parent can commit."""
        self.transaction = self.connection.begin()
        self.captured, self.room = [], MAX_CAPTURED
        for statement in (*settings, *GUARD):
            self._execute(statement)
        self.xid = self.rows("SELECT pg_current_xact_id()::text")[0][0]
        return {"xid": self.xid}

    def do_sql(self, calls: Sequence[tuple[str, list[Any]]]) -> dict[str, Any]:
        """Run statements of the parent and give the rows of each."""
        return {"rows": [self.rows(sql, args) for sql, args in calls]}

    def do_run(self, tree: str, moves: Sequence[tuple[str, str]], pre: list[int]) -> dict[str, Any]:
        """Run revisions of one tree, in order, as the project's own env.py wants them run."""
        self.finder.use(self.trees[tree])
        config, scripts = self._scripts(tree)
        migration: Any = importlib.import_module("alembic.runtime.migration")
        environment: Any = importlib.import_module("alembic.runtime.environment")
        self.configured = self.ran = False
        trace = Trace(self.rows, pre, len(moves))
        config.attributes["connection"] = self.connection

        def steps(_heads: object, _context: object) -> Iterator[Any]:
            for direction, revision in moves:
                self.current, started = (direction, revision), time.monotonic()
                script = scripts.get_revision(revision)
                yield migration.RevisionStep(scripts.revision_map, script, direction == "up")
                self._check_transaction()
                self.pipe.say(
                    event="revision", direction=direction, revision=revision,
                    seconds=time.monotonic() - started, trace=trace.after(),
                )  # fmt: skip
            self.current, self.ran = ("", ""), True

        target = moves[-1][1] if moves else None
        try:
            with environment.EnvironmentContext(config, scripts, fn=steps, destination_rev=target):
                scripts.run_env()
        except (Exception, Finished, Ignored):  # its old code, below the lines that hand on our connection
            if not self.ran:
                if int(self._raw().info.transaction_status) in (IDLE, IN_TRANSACTION):
                    self._check_transaction()  # a smuggled ROLLBACK fails later, by what it undid
                raise
        if not self.ran:
            raise Ignored
        self._check_transaction()
        return {"captured": self.captured, "version_table": self.version_table}

    def do_copy_out(self, sql: str) -> dict[str, Any]:
        """Send what COPY gives, in frames of bytes."""
        size = 0
        for piece in driver.copy_out(self._raw(), sql):
            size += len(piece)
            self.pipe.send(b"D", piece)
        return {"size": size}

    def do_copy_in(self, sql: str) -> dict[str, Any]:
        """Feed COPY with the frames that follow, up to an empty one."""
        driver.copy_in(self._raw(), sql, iter(self.pipe.read, b""))
        return {}

    def do_commit(self) -> dict[str, Any]:
        """Commit, as the parent orders."""
        self._check_transaction()
        self._execute("SELECT set_config('gitops.commit_ok', 'yes', true)")
        self.transaction.commit()
        return {}

    def do_rollback(self) -> dict[str, Any]:
        """Roll back; also out of a transaction that failed or was ended by a migration."""
        with contextlib.suppress(Exception):
            self.transaction.rollback()
        self._raw().rollback()
        if self.connection.in_transaction():
            self.connection.rollback()
        return {}

    # -- what they share -----------------------------------------------------------------------------

    def _raw(self) -> Any:
        """Give the driver's connection; SQLAlchemy forgets a broken one."""
        return self._driver_connection

    def _execute(self, sql: str, args: list[Any] | None = None) -> Any:
        cursor = self._raw().cursor()
        cursor.execute(sql, args or None)
        return cursor

    def rows(self, sql: str, args: list[Any] | None = None) -> list[list[Any]]:
        """Run one statement, unseen by the capture, and give its rows."""
        cursor = self._execute(sql, args)
        return [list(row) for row in cursor.fetchall()] if cursor.description else []

    def _check_transaction(self) -> None:
        """Refuse to go on unless the transaction is the one that the parent began, and open."""
        if int(self._raw().info.transaction_status) != IN_TRANSACTION:
            raise Smuggled
        if self.rows("SELECT pg_current_xact_id()::text")[0][0] != self.xid:
            raise Smuggled

    def _no_signals(self, event: str, _args: object) -> None:
        """Refuse with file and line what the cage would only leave without effect."""
        if self.current[1] and event in {"os.kill", "os.killpg"}:
            raise Signalled

    def _capture(self, _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        revision = self.current[1]
        if revision and self.room > 0 and "alembic_version" not in statement:
            statement = statement[:MAX_STATEMENT]
            self.room -= len(statement)
            self.captured.append((revision, statement))

    def _scripts(self, name: str) -> tuple[Any, Any]:
        """Read a tree's revisions, once."""
        if name not in self.scripts:
            tree = self.trees[name]
            config: Any = importlib.import_module("alembic.config").Config(
                str(Path(__file__).with_name("alembic.ini"))
            )
            for key, value in own_options(tree):
                config.set_main_option(key, value)
            config.set_main_option("script_location", str(tree.folder).replace("%", "%%"))
            config.set_main_option("sqlalchemy.url", "postgresql://use-the-connection-that-you-are-handed/")
            directory: Any = importlib.import_module("alembic.script").ScriptDirectory
            self.scripts[name] = config, directory.from_config(config)
        return self.scripts[name]

    def _patch(self) -> None:
        """No connection but ours, and every configure() must use it."""
        engine_class: Any = importlib.import_module("sqlalchemy.engine").Engine
        context_class: Any = importlib.import_module("alembic.runtime.environment").EnvironmentContext
        configure: Callable[..., None] = context_class.configure

        def only_ours(original: Callable[..., Any]) -> Callable[..., Any]:
            def method(engine: Any, *args: Any, **kw: Any) -> Any:
                if engine is not self.engine:
                    raise Ignored
                return original(engine, *args, **kw)

            return method

        def checked(context: Any, connection: Any = None, *args: Any, **kw: Any) -> None:
            if connection is None or driver.raw_of(connection) is not self._raw():
                raise Ignored
            kw["transaction_per_migration"] = False
            configure(context, connection, *args, **kw)
            found = context.get_context()
            self.version_table = [found.version_table_schema or "", found.version_table]
            self.configured = True

        for name in ("connect", "raw_connection"):
            setattr(engine_class, name, only_ours(getattr(engine_class, name)))
        begin: Callable[[Any], Any] = context_class.begin_transaction

        @contextlib.contextmanager
        def until_ran(context: Any) -> Iterator[Any]:
            with begin(context) as value:
                yield value
            if self.ran:
                raise Finished

        sys.addaudithook(self._no_signals)
        context_class.configure, context_class.begin_transaction = checked, until_ran


def main(incoming: int, outgoing: int) -> None:
    """Serve commands until the parent closes the pipe."""
    pipe = Pipe(incoming, outgoing)
    child = Child(pipe)
    while True:
        message = json.loads(pipe.read())
        try:
            answer = getattr(child, "do_" + message.pop("op"))(**message)
        except BaseException as error:  # noqa: BLE001 - whatever a migration raises ends as one message
            roots = [tree.root for tree in child.trees.values()]
            direction, revision = child.current
            pipe.say(
                error=explain(error, roots),
                direction=direction,
                revision=revision,
                configured=child.configured,
            )
        else:
            pipe.say(**answer)
