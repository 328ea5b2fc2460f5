"""`jobs:` and `checks:` of gitops.yaml in real pushes: what they print, and that a failure takes all back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.site import GITOPS, migration

if TYPE_CHECKING:
    from tests.support.site import Site

NOTE = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
JOBS = """\
jobs:
  seed:
    service: web
    command: [python, -c, "print(open('page.txt').read().strip(), 'before')"]
    when: before-deploy
  warm-up:
    service: web
    command: [python, -c, "print(open('page.txt').read().strip(), 'after')"]
checks:
  whole:
    service: web
    command: [python, -c, "print('checked')"]
  page:
    service: web
    http: /
"""


def job(code: str, when: str = "after-deploy") -> dict[str, str]:
    """A gitops.yaml with one job, a new page and a new migration."""
    text = f"jobs:\n  work:\n    service: web\n    command: [python, -c, {code!r}]\n    when: {when}\n"
    return {"gitops.yaml": GITOPS + text, "page.txt": "two\n", "migrations/versions/0002_note.py": NOTE}


def test_jobs_and_checks_run_with_the_new_versions_code_and_the_pusher_sees_them(fresh: Site) -> None:
    text = fresh.release("Jobs", {"gitops.yaml": GITOPS + JOBS})
    order = [text.index(word) for word in ("one before", "one after", "checked")]
    assert order == sorted(order)
    assert "2 checks" in text


@pytest.mark.parametrize("when", ["before-deploy", "after-deploy"])
def test_a_job_that_fails_takes_the_release_back(live: Site, when: str) -> None:
    text = live.refused(job("print('no luck'); raise SystemExit(3)", when))
    assert "no luck" in text
    assert "deploy" in text
    assert live.page() == "one\n"


def test_a_check_that_fails_takes_the_release_back(live: Site) -> None:
    check = "checks:\n  front:\n    service: web\n    command: [python, -c, 'raise SystemExit(1)']\n"
    text = live.refused({"gitops.yaml": GITOPS + check, "migrations/versions/0002_note.py": NOTE})
    assert "verify" in text
    assert "front" in text


def test_a_page_that_answers_404_takes_the_release_back(live: Site) -> None:
    """The app answers every path with 200, so it is changed along with the check."""
    app = (
        (live.folder / "app.py")
        .read_text()
        .replace("send_response(200)", "send_response(200 if self.path == '/' else 404)")
    )
    check = "checks:\n  front:\n    service: web\n    http: /missing\n    timeoutSeconds: 1\n"
    text = live.refused({"gitops.yaml": GITOPS + check, "app.py": app, "page.txt": "two\n"})
    assert "check front: /missing answered 404" in text
    assert live.page() == "one\n"


def test_the_operator_limits_how_long_a_job_may_take(live: Site) -> None:
    """gitops.yaml asks for five minutes, remote.yaml allows a second."""
    before = live.home.config.read_text()
    live.home.config.write_text(before.rstrip() + "\n    timeouts: {job: 1}\n")
    try:
        text = live.refused(job("import time; time.sleep(987)"))
    finally:
        live.home.config.write_text(before)
    assert "1 s" in text
