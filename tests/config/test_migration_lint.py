from __future__ import annotations

import pytest

from gitops_cli.config.history import env_advice, refuse_pending
from gitops_cli.errors import BadMigration
from tests.config.histories import ENV, THREE, load, migration


@pytest.mark.parametrize(
    ("statement", "line", "said"),
    [
        (
            "with op.get_context().autocommit_block():\n        op.x()",
            9,
            "autocommit_block() commits everything before it",
        ),
        ("op.x()\n    op.get_bind().commit()", 10, "commit() ends the transaction"),
        ("connection.rollback()", 9, "rollback() undoes"),
        ("op.execute('COMMIT')", 9, "COMMIT begins or ends a transaction"),
        ("op.execute('update t set a = 1;  rollback ;')", 9, "ROLLBACK begins or ends"),
        (
            'op.execute(sa.text("""\n    select 1;\n    commit and chain;\n    """))',
            11,
            "COMMIT begins or ends",
        ),
        ("op.get_bind().exec_driver_sql('START  TRANSACTION')", 9, "START TRANSACTION begins or ends"),
        ("op.get_bind().execution_options(isolation_level='AUTOCOMMIT')", 9, "isolation_level"),
        ("sa.create_engine('x')", 9, "create_engine() opens a second connection"),
    ],
)
@pytest.mark.row(36)
def test_what_breaks_the_one_transaction(statement: str, line: int, said: str) -> None:
    body = f"def upgrade():\n    {statement}\n\n\ndef downgrade():\n    op.y()\n"
    history = load({**THREE, "4.py": migration("4", "3", body, "\n")})
    with pytest.raises(BadMigration) as caught:
        refuse_pending(history, ("4",))
    assert said in caught.value.cause
    assert (caught.value.file, caught.value.line) == ("db/versions/4.py", line)
    refuse_pending(history, ("1", "2", "3"))


@pytest.mark.parametrize(
    "statement",
    [
        "op.execute('ROLLBACK TO SAVEPOINT a')",
        'op.execute("""create function f() returns int as $$ begin return 1; end; $$ language plpgsql""")',
        "op.execute(\"insert into t values ('; commit;')\")",
        "op.execute('-- commit\\nselect 1 /* ; commit; */')",
        "op.add_column('t', sa.Column('commit', sa.Text))",
        "commit()",
        "session.commit()",
        "orm.Session(bind=op.get_bind()).commit()",
        "op.execute('select 1 as commit')",
    ],
)
def test_what_does_not(statement: str) -> None:
    history = load(
        {"1.py": migration("1", None, f"def upgrade():\n    {statement}\n\ndef downgrade():\n    op.y()\n")}
    )
    assert history.revisions[0].findings == ()


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        (ENV, True),
        ("connectable = config.attributes.get('connection', None)\n", True),
        ("if 'connection' in context.config.attributes:\n    pass\n", True),
        ("connection = engine.connect()\ncontext.configure(connection=connection)\n", False),
        ("# config.attributes['connection']\n", False),
        ("config.attributes['other']\n", False),
    ],
)
def test_env_that_ignores_its_connection(text: str, *, uses: bool) -> None:
    advice = env_advice("db/env.py", text.encode())
    assert (advice == ()) is uses
    if not uses:
        assert 'context.config.attributes.get("connection")' in advice[0]
        assert "at the very top of db/env.py" in advice[0]


def test_lines_are_pasted_below_what_python_takes_only_at_the_top() -> None:
    env = '"""Runs migrations."""\n\nfrom __future__ import (\n    annotations,\n)\nimport os\n'
    assert "below line 5 of db/env.py" in env_advice("db/env.py", env.encode())[0]


def test_env_that_is_no_python() -> None:
    assert "is not valid Python" in env_advice("db/env.py", b"def\n")[0]
