from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_cli.config.history import History, Path, compare, env_advice, follow, load_history
from gitops_cli.config.revision_file import blob_id, read_revision
from gitops_cli.errors import BadMigration, GitopsError, LimitExceeded
from tests.config.histories import BODY, ENV, THREE, load, migration, tree
from tests.config.trees import LINK, FakeTree

if TYPE_CHECKING:
    import pathlib


def refused(files: dict[str, str]) -> BadMigration:
    with pytest.raises(BadMigration) as caught:
        load(files)
    assert caught.value.next_command
    return caught.value


def test_order_and_head() -> None:
    history = load({"z.py": migration("1"), "m.py": migration("2", "1"), "a.py": migration("3", "2")})
    assert [revision.id for revision in history.revisions] == ["1", "2", "3"]
    assert history.head == "3"
    found = history.get("2")
    assert found is not None
    assert (found.downs, found.file, found.line, found.title) == (("1",), "db/versions/m.py", 4, "title of 2")
    assert found.oid == blob_id(found.text.encode())
    assert history.get("9") is None


def test_no_database_and_no_migration_yet() -> None:
    assert load_history(FakeTree({}), "") == History()
    assert load({}) == History("db")
    assert load({"__init__.py": "x", ".#a.py": "x", "README": "x", "old/1.py": "not read"}) == History("db")


def test_shapes_of_real_histories() -> None:
    """Flask-Migrate's and Alembic's own templates, merges, labels, helpers, other quotes."""
    history = load(
        {
            "b9a10d5d63ce_.py": "# revision identifiers\nrevision = 'b9a10d5d63ce'\ndown_revision = None\n\n"
            "from alembic import op\nimport sqlalchemy as sa\nfrom sqlalchemy.sql import table\n" + BODY,
            "26d6_x.py": 'from typing import Sequence, Union\nrevision: str = "26d6"\n'
            'down_revision: Union[str, None] = "b9a10d5d63ce"\n'
            "branch_labels: Union[str, Sequence[str], None] = None\n"
            "depends_on: Union[str, Sequence[str], None] = None\n" + BODY,
            "left.py": migration("left", "26d6", extra='branch_labels = ("l",)'),
            "right.py": migration("right", "26d6", extra='depends_on = "l"'),
            "merge.py": migration(
                "merge", ("left", "right"), "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
            ),
            "utils_in_use.py": '"""odd \\d escape"""\nfrom db.utils import skip\nrevision = "u1"\n'
            'down_revision = "merge"\n'
            "class Old: pass\nmapping = {c: 1 for c in 'ab'}\n@skip\n" + BODY,
        }
    )
    assert [revision.id for revision in history.revisions] == [
        "b9a10d5d63ce",
        "26d6",
        "left",
        "right",
        "merge",
        "u1",
    ]
    assert history.head == "u1"
    assert history.revisions[4].downs == ("left", "right")
    assert not any(revision.irreversible for revision in history.revisions)


@pytest.mark.parametrize(
    ("body", "irreversible"),
    [
        (BODY, False),
        ("def upgrade():\n    op.x()\n", True),
        ("def upgrade():\n    op.x()\ndef downgrade():\n    pass\n", True),
        ("def upgrade():\n    op.x()\ndef downgrade():\n    '''gone'''\n    return\n", True),
        (
            "def upgrade():\n    op.x()\ndef downgrade():\n    '''no'''\n    raise Never('x')\n",
            True,
        ),
        ("def upgrade():\n    op.x()\ndef downgrade():\n    if x: raise Y\n    op.y()\n", False),
        ("def upgrade():\n    op.x()\ndowngrade = helper(1)\n", False),
        ("def upgrade():\n    op.x()\nfrom common import downgrade\n", False),
        ("def upgrade():\n    pass\n", False),
    ],
)
@pytest.mark.row(36)
def test_migration_without_a_way_back(body: str, *, irreversible: bool) -> None:
    assert load({"1.py": migration("1", None, body)}).revisions[0].irreversible is irreversible


@pytest.mark.row(36)
@pytest.mark.parametrize(
    ("files", "file", "line", "said"),
    [
        (
            {"1.py": migration("1"), "a.py": migration("a", "1"), "b.py": migration("b", "1")},
            "b.py",
            4,
            "two heads: a (db/versions/a.py) and b (db/versions/b.py)",
        ),
        ({"1.py": migration("1"), "2.py": migration("2")}, "2.py", 4, "two heads"),
        ({"2.py": migration("2", "1")}, "2.py", 4, "its down_revision 1 is in no file"),
        (
            {"1.py": migration("1", None, extra="depends_on = 'x'")},
            "1.py",
            4,
            "it depends on x, which is in no file",
        ),
        ({"1.py": migration("1") + "def x(:\n"}, "1.py", 13, "is not valid Python"),
        (
            {"1.py": migration("1"), "2.py": migration("1")},
            "2.py",
            4,
            "revision 1 is already in db/versions/1.py",
        ),
        ({"1.py": migration("1", "2"), "2.py": migration("2", "1")}, "1.py", 4, "make a circle"),
        ({"1.py": migration("1", "1")}, "1.py", 4, "make a circle"),
        ({"1.py": "x = 1\n"}, "1.py", 1, "no `revision = ...`"),
        ({"1.py": "revision = '1'\n"}, "1.py", 1, "no `down_revision = ...`"),
        ({"1.py": "\nrevision = make()\ndown_revision = None\n"}, "1.py", 2, "written out, not computed"),
        ({"1.py": "revision = '1'\ndown_revision = PARENT\n"}, "1.py", 2, "written out, not computed"),
        ({"1.py": "revision = 1\ndown_revision = None\n"}, "1.py", 1, "must be letters, digits"),
        ({"1.py": "revision = 'a@head'\ndown_revision = None\n"}, "1.py", 1, "must be letters, digits"),
        ({"1.py": "revision = '1'\ndown_revision = 5\n"}, "1.py", 2, "`down_revision` must be text or None"),
        ({"1.py": "# coding: utf-7\nrevision = '1'\ndown_revision = None\n"}, "1.py", 1, "another encoding"),
        ({"1.up.sql": "select 1;"}, "1.up.sql", 0, "there is no 1.py beside it"),
        ({"1.py": "a = " + "(" * 5_000}, "1.py", 1, "is not valid Python"),
        ({"1.py": "a = " + "-" * 500_000 + "1"}, "1.py", 0, "nested too deeply"),
    ],
)
def test_refused_with_its_file_and_line(files: dict[str, str], file: str, line: int, said: str) -> None:
    error = refused(files)
    assert said in error.cause
    assert (error.file, error.line) == (f"db/versions/{file}", line)


@pytest.mark.row(36)
def test_two_heads_say_what_to_do() -> None:
    error = refused({"1.py": migration("1"), "a.py": migration("a", "1"), "b.py": migration("b", "1")})
    assert error.next_command == 'set down_revision = "a" in db/versions/b.py'


def test_bytes_that_are_no_text() -> None:
    for data, line in ((b"a = 1\nb = '\xff'\n", 2), (b"a\0", 0)):
        with pytest.raises(BadMigration) as caught:
            read_revision(data, "x.py", "")
        assert caught.value.line == line


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (
            FakeTree({"db/versions/1.py": migration("1")}),
            "is no Alembic folder: there is no db/env.py in abc1234",
        ),
        (tree({"1.py": "/etc/passwd"}, {"db/versions/1.py": LINK}), "db/versions/1.py is a symbolic link"),
        (
            FakeTree({"db/env.py": ENV, "db/versions": "../x"}, {"db/versions": LINK}),
            "db/versions is a symbolic link",
        ),
        (FakeTree({"db/env.py": "../x"}, {"db/env.py": LINK}), "db/env.py is a symbolic link"),
        (tree({"1.py": "#" * 1_100_000}), "larger than 1048576 bytes"),
        (tree({f"{n}.py": "" for n in range(5_001)}), "more than 5000 migration files"),
        (tree({f"{n}.py": "#" * 1_000_000 for n in range(9)}), "bytes of migrations"),
    ],
)
def test_folder_that_is_none(there: FakeTree, said: str) -> None:
    with pytest.raises(GitopsError) as caught:
        load_history(there, "db")
    assert said in caught.value.cause
    assert isinstance(caught.value, LimitExceeded) or there.was_read == []


def test_plain_sql_pairs() -> None:
    files = {
        "1_a.py": migration("1"),
        "1_a.up.sql": "-- hello\ncreate table a (x int);\nCOMMIT;\n",
        "1_a.down.sql": "drop table a;\n",
        "helper.sql": "select 1",
    }
    found = load(files).revisions[0]
    assert [sql.path for sql in found.sql_files] == ["db/versions/1_a.down.sql", "db/versions/1_a.up.sql"]
    assert [(finding.file, finding.line) for finding in found.findings] == [("db/versions/1_a.up.sql", 3)]
    assert not found.irreversible
    assert load({**files, "1_a.down.sql": "-- nothing\n"}).revisions[0].irreversible
    edited = load({**files, "1_a.up.sql": files["1_a.up.sql"].lower()}).revisions[0]
    assert edited.oid == found.oid
    assert edited.identity != found.identity
    with pytest.raises(BadMigration):
        compare(load(files), load({**files, "1_a.down.sql": "drop table a cascade;"}))


@pytest.mark.row(36)
def test_edited_after_applied_is_refused() -> None:
    live = load(THREE)
    with pytest.raises(BadMigration) as caught:
        compare(live, load({**THREE, "2_b.py": THREE["2_b.py"] + "# a comment\n"}))
    assert caught.value.cause == "migration 2 was edited after it was applied"
    assert caught.value.file == "db/versions/2_b.py"
    renamed = {("2_renamed.py" if name == "2_b.py" else name): text for name, text in THREE.items()}
    assert compare(live, load(renamed)) == Path()


def test_paths() -> None:
    live = load(THREE)
    assert compare(History(), live) == Path((), ("1", "2", "3"))
    assert compare(live, live) == Path()
    assert compare(live, load({**THREE, "4.py": migration("4", "3")})) == Path((), ("4",))
    assert compare(live, load({"1_a.py": THREE["1_a.py"]})) == Path(("3", "2"), ())
    assert compare(live, load({"1_a.py": THREE["1_a.py"], "x.py": migration("x", "1")})) == Path(
        ("3", "2"), ("x",)
    )
    assert compare(live, History()) == Path(("3", "2", "1"), ())
    assert follow(live, (("1", ""),)) == Path((), ("2", "3"))
    assert follow(live, tuple((one.id, one.oid) for one in live.revisions)) == Path()


def test_merged_branch_can_be_taken_back() -> None:
    one = {"1.py": migration("1"), "a.py": migration("a", "1")}
    both = {**one, "b.py": migration("b", "1"), "m.py": migration("m", ("a", "b"))}
    assert compare(load(both), load(one)) == Path(("m", "b"), ())
    assert compare(load(one), load(both)) == Path((), ("b", "m"))


def test_new_one_below_an_applied_one() -> None:
    new = load({"1.py": migration("1"), "x.py": migration("x", "1"), "2.py": migration("2", "x")})
    with pytest.raises(BadMigration) as caught:
        follow(new, (("1", ""), ("2", "")))
    assert "x was put below 2, which is already applied" in caught.value.cause
    assert caught.value.file == "db/versions/x.py"


@pytest.mark.row(39)
def test_nothing_of_the_tree_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"
    hostile = f"open({str(marker)!r}, 'w').close()\nraise SystemExit\n"
    for name in ("yaml.py", "sitecustomize.py", "conftest.py", "alembic.py", "msgspec.py"):
        (tmp_path / name).write_text(hostile)
    monkeypatch.chdir(tmp_path)
    files = dict.fromkeys(
        ("yaml.py", "sitecustomize.py", "conftest.py", "db/script.py", "db/versions/__init__.py"), hostile
    )
    there = FakeTree(
        {
            **files,
            "alembic.ini": "[alembic]\nscript_location = /etc\nversion_locations = /etc/alembic\n",
            "db/env.py": hostile,
            "db/versions/1.py": migration("1") + hostile,
        }
    )
    before = set(sys.modules)
    history = load_history(there, "db")
    assert env_advice("db/env.py", hostile.encode())
    assert history.head == "1"
    assert not marker.exists()
    assert not {"sitecustomize", "conftest", "alembic"} & (set(sys.modules) - before)
    assert "alembic.ini" not in there.was_read


def test_thousand_migrations_are_quick() -> None:
    files = {f"{n:04}.py": migration(f"{n:04}", f"{n - 1:04}" if n else None) for n in range(1_000)}
    start = time.process_time()
    history = load(files)
    assert compare(history, history) == Path()
    assert time.process_time() - start < 2
    assert history.head == "0999"


PARTS = st.sampled_from(
    [
        "revision",
        "down_revision",
        "depends_on",
        " = ",
        ": str",
        "'a'",
        "None",
        "('a', 'b')",
        "f()",
        "\n",
        "\n",
        "def upgrade():\n pass\n",
        "def downgrade():\n raise X\n",
        "op.execute('COMMIT')",
        "with a.autocommit_block(): pass\n",
        "(",
        ")",
        "{",
        "}",
        "#",
        "\\",
        "'''",
        "1",
        "-",
        "lambda: ",
        "\t",
        "é",
        "\x00",
        "\x0c",
        "# coding: latin-1\n",
        "class A:\n",
        " ",
        "if 1:\n",
        "(yield)",
        "*a",
        "f'{",
        "''",
    ]
)


@settings(max_examples=400, deadline=20_000)
@given(
    st.one_of(
        st.binary(max_size=100), st.lists(PARTS, max_size=30).map(lambda parts: "".join(parts).encode())
    )
)
def test_any_bytes_give_a_revision_or_our_error(data: bytes) -> None:
    head = b"revision = 'a'\ndown_revision = None\n"
    for text in (data, head + data):
        try:
            assert read_revision(text, "x.py", "").id
        except GitopsError as error:
            assert error.file == "x.py"  # noqa: PT017 - either outcome is right, a third is not
