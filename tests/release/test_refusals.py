"""Pushes that cannot be released: each is refused with one reason, and nothing at all has moved."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.releases.held import hold
from gitops_cli.steps.surroundings import surroundings
from tests.kill.flight import Flight
from tests.support.site import DEPLOYMENT, migration

if TYPE_CHECKING:
    from tests.support.site import Site

NEXT = "migrations/versions/0002_next.py"
AFTER = "migrations/versions/0003_after.py"
GOOD = migration("0002", "0001", "alter table items add note text", "alter table items drop note")


def test_a_version_that_never_becomes_ready(live: Site) -> None:
    began = time.monotonic()
    text = live.refused(
        {"app.py": "print('no such thing as a page', flush=True)\nraise SystemExit(3)\n", NEXT: GOOD}
    )
    assert "no such thing as a page" in text
    assert "deploy" in text
    assert time.monotonic() - began < 60


def test_a_version_that_listens_but_answers_500(live: Site) -> None:
    app = (live.folder / "app.py").read_text().replace("send_response(200)", "send_response(500)")
    slow = DEPLOYMENT.replace("periodSeconds: 1}", "periodSeconds: 1}").replace(
        "  selector:", "  progressDeadlineSeconds: 6\n  selector:"
    )
    text = live.refused({"app.py": app, "deploy/deployment.yaml": slow})
    assert "500" in text or "ready" in text


@pytest.mark.row(36)
def test_a_migration_that_fails_in_its_second_file(live: Site) -> None:
    text = live.refused(
        {NEXT: GOOD, AFTER: migration("0003", "0002", "alter table nowhere add x int", "select 1")}
    )
    assert "0003_after.py" in text
    assert "nowhere" in text


def test_a_down_that_is_not_the_inverse_of_its_up(live: Site) -> None:
    text = live.refused({NEXT: migration("0002", "0001", "alter table items add note text", "select 1")})
    assert "items.note" in text


@pytest.mark.row(36)
def test_two_heads(live: Site) -> None:
    text = live.refused({NEXT: GOOD, AFTER: migration("0003", "0001", "select 1", "select 1")})
    assert "0002_next.py" in text
    assert "0003_after.py" in text


@pytest.mark.row(36)
def test_a_missing_parent(live: Site) -> None:
    assert "0009" in live.refused({NEXT: migration("0002", "0009", "select 1", "select 1")})


@pytest.mark.row(36)
def test_an_applied_migration_that_was_edited(live: Site) -> None:
    path = live.folder / "migrations/versions/0001_items.py"
    text = live.refused({"migrations/versions/0001_items.py": path.read_text() + "# changed\n"})
    assert "0001_items.py" in text


@pytest.mark.row(36)
def test_a_migration_with_a_syntax_error(live: Site) -> None:
    text = live.refused({NEXT: "revision = '0002'\ndef upgrade(:\n"})
    assert "0002_next.py:2" in text


@pytest.mark.row(36)
def test_a_migration_that_raises(live: Site) -> None:
    up = "!raise RuntimeError('not today')"
    text = live.refused({NEXT: migration("0002", "0001", up, "select 1")})
    assert "not today" in text


@pytest.mark.row(36)
def test_a_migration_that_sleeps_for_ever(live: Site) -> None:
    config = live.home.config
    before = config.read_text()
    config.write_text(
        before.replace("branch: main", "timeouts: {rehearsal: 4, migration: 4}\n    branch: main")
    )
    try:
        text = live.refused({NEXT: migration("0002", "0001", "!import time; time.sleep(3600)", "select 1")})
    finally:
        config.write_text(before)
    assert "4 s" in text


@pytest.mark.row(36)
def test_a_migration_that_kills_its_parent(live: Site) -> None:
    up = "!import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    live.refused({NEXT: migration("0002", "0001", up, "select 1")})


@pytest.mark.row(36)
@pytest.mark.parametrize(
    "up",
    [
        "commit",
        "!op.get_bind().exec_driver_sql('commit')",
        "!op.get_bind().connection.driver_connection.commit()",
    ],
)
def test_a_migration_that_commits_by_itself(live: Site, up: str) -> None:
    text = live.refused({NEXT: migration("0002", "0001", up, "select 1")})
    assert "commit" in text.lower()


@pytest.mark.row(17)
def test_a_tree_without_gitops_yaml(live: Site) -> None:
    live.git("rm", "-q", "gitops.yaml")
    assert "no gitops.yaml at the top of" in live.refused()


@pytest.mark.row(6)
def test_a_rewritten_history(live: Site) -> None:
    live.git("commit", "-q", "--amend", "--allow-empty", "-m", "Another history")
    assert "may not be rewritten" in live.refused(None, "--force", "main")


@pytest.mark.row(7)
def test_a_deleted_release_branch(live: Site) -> None:
    before = live.snapshot()
    pushed = live.push("--delete", "main")
    assert pushed.code != 0
    assert live.snapshot() == before


@pytest.mark.row(5)
def test_a_release_branch_beside_a_ref_that_is_refused(live: Site) -> None:
    live.git("tag", "main")
    text = live.refused(None, "main:refs/heads/main", "refs/tags/main")
    live.git("tag", "-d", "main")
    assert "main" in text


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("policy: {freeze: until Monday}", "production is frozen: until Monday"),
        ("timeouts: {migration: 4}", "what remote.yaml says of production has changed while this waited"),
    ],
)
def test_what_the_operator_says_while_a_push_waits(live: Site, setting: str, said: str) -> None:
    config, before = live.home.config, live.snapshot()
    plain = config.read_text()
    live.commit("It waits", {"page.txt": "late\n"})
    try:
        with surroundings(live.home) as around, ExitStack() as another:
            another.enter_context(hold(around, around.environment("production"), SILENT))
            with Flight(live) as flight:
                assert flight.folders.until(lambda: "waiting for" in flight.said, often=0.01)
                config.write_text(plain.replace("branch: main", f"{setting}\n    branch: main"))
                another.close()
                assert flight.over() != 0
                assert said in flight.said
    finally:
        config.write_text(plain)
    assert live.snapshot() == before


@pytest.mark.row(28)
def test_a_secret_in_a_manifest_is_refused_and_never_shown(live: Site) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2hunter2}\n"
    text = live.refused({"deploy/secret.yaml": secret})
    assert "deploy/secret.yaml" in text
    assert "hunter2" not in text


@pytest.mark.row(38)
def test_a_hostile_subject_is_escaped(live: Site) -> None:
    live.commit("\x1b]0;owned\x07\x1b[2J \u202e evil")
    pushed = live.push()
    assert "\x1b" not in pushed.text
    assert "\u202e" not in pushed.text
