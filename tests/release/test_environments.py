"""Two environments of one remote: what becomes of one is nothing to the other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli import releases
from gitops_cli.adapters.postgres import server, urls
from gitops_cli.errors import GitopsError
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.reconcile.agent import Agent
from tests.kill import family
from tests.kill.flight import Flight
from tests.kill.watching import LONG, state
from tests.release.test_reboot import power_off
from tests.support.site import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import Site

STAGING = "  staging:\n    branch: next\n    target: local\n    database: embedded\n"
DEAD = 'import sys\nprint("no luck today")\nsys.exit(1)\n'


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A remote that releases `main` to production and `next` to staging; tests leave it as it was."""
    site = make_site(tmp_path_factory.mktemp("site"))
    try:
        site.home.config.write_text(site.home.config.read_text() + STAGING)
        site.release("The first version")
        site.git("switch", "-q", "-c", "next")
        site.commit("Staged", {"page.txt": "staged\n"})
        assert site.push("next").code == 0
        site.git("switch", "-q", "main")
        yield site
    finally:
        site.down()


def page(site: Site, environment: str) -> str:
    """Ask the page of an environment."""
    (live,) = [found.live for found in releases.status(site.home) if found.name == environment]
    with urllib.request.urlopen(next(iter(live.urls.values())), timeout=60) as answer:
        return str(answer.read().decode())


def rows(site: Site, environment: str) -> list[tuple[object, ...]]:
    """Read the table of an environment."""
    running = server.status(site.home)
    assert running is not None
    url = urls.with_database(running.admin_url, f"shop_{environment}")
    with psycopg.connect(url) as connection:
        return list(connection.execute("select name from items order by id").fetchall())


def picture(site: Site) -> list[str]:
    """Tell what both environments serve, and every ref."""
    return [page(site, "production"), page(site, "staging"), site.git("ls-remote", str(site.home.repo))]


def test_each_has_its_own_page_database_and_record(both: Site) -> None:
    both.sql("insert into items (name) values ('of production')")
    assert (page(both, "production"), page(both, "staging")) == ("one\n", "staged\n")
    assert (rows(both, "production"), rows(both, "staging")) == ([("of production",)], [])
    records = both.git("ls-remote", str(both.home.repo), "refs/gitops/releases/*")
    assert sorted(line.rpartition("/")[2] for line in records.splitlines()) == ["production", "staging"]


def test_a_release_that_fails_in_one_changes_nothing_in_the_other(both: Site) -> None:
    before = picture(both)
    both.git("switch", "-q", "next")
    both.commit("Broken", {"app.py": DEAD})
    pushed = both.push("next")
    both.git("reset", "-q", "--hard", "HEAD^")
    both.git("switch", "-q", "main")
    assert pushed.code != 0
    assert "no luck today" in pushed.text
    assert "staging is as it was before" in pushed.text
    assert picture(both) == before


def test_one_push_cannot_release_to_both(both: Site) -> None:
    before = picture(both)
    both.git("switch", "-q", "--detach", "next")
    both.commit("More", {"page.txt": "two\n"})
    pushed = both.push("HEAD:main", "HEAD:next")
    both.git("switch", "-q", "main")
    assert pushed.code != 0
    assert "main and next both release; push them one after the other" in pushed.text
    assert picture(both) == before


@pytest.mark.parametrize("agent", [False, True])
def test_one_that_cannot_be_recovered_does_not_keep_the_other_from_it(both: Site, *, agent: bool) -> None:
    power_off(both)
    journals = [both.home.journal("production") / f"{number:06}.journal" for number in (98, 99)]
    for path in journals:
        path.write_bytes(b"of an operator who copied one back\n")
    heard: list[str] = []
    attempt = Agent(both.home, heard.append).once if agent else both.recover
    with pytest.raises(GitopsError, match=r"holds two open journals, 000098.journal and 000099.journal"):
        attempt()
    assert page(both, "staging") == "staged\n"
    for path in journals:
        path.unlink()
    assert any("supervisor" in line for line in both.recover())
    assert page(both, "production") == "one\n"


def test_a_command_that_needs_one_names_them(both: Site) -> None:

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gitops_cli", *words]
        return subprocess.run(command, cwd=both.folder, capture_output=True, text=True, check=False)

    assert {"production", "staging"} <= set(run("history").stdout.split())
    assert "production" not in run("history", "--environment", "staging").stdout
    shown = json.loads(run("status", "--json").stdout)["data"]["environments"]
    assert {name: found["branch"] for name, found in shown.items()} == {
        "production": "main",
        "staging": "next",
    }
    both.git("switch", "-q", "-c", "elsewhere")
    asked = run("rollback")
    both.git("switch", "-q", "main")
    assert asked.returncode != 0
    assert "there are several environments: production, staging" in asked.stderr
    assert "--environment NAME" in asked.stderr


@pytest.fixture
def config(both: Site) -> Iterator[str]:
    """The text of remote.yaml; put back afterwards, and everything runs again."""
    text = both.home.config.read_text()
    yield text
    both.home.config.write_text(text)
    both.recover()
    assert (page(both, "production"), page(both, "staging")) == ("one\n", "staged\n")


def supervisor(site: Site, environment: str) -> int:
    """Give the process that an environment runs under; 0 for none."""
    (live,) = [found.live for found in releases.status(site.home) if found.name == environment]
    return int(live.detail["supervisor"])


@pytest.mark.parametrize("how", ["taken out", "renamed"])
def test_what_runs_of_one_that_is_gone_is_named_and_stopped(both: Site, config: str, how: str) -> None:
    data = rows(both, "staging")
    pid = supervisor(both, "staging")
    both.home.config.write_text(
        config.replace(STAGING, STAGING.replace("staging", "next") * (how == "renamed"))
    )
    standing = releases.status(both.home)[-1]
    assert (standing.name, standing.gone, standing.live.detail["supervisor"]) == ("staging", True, pid)
    shown = subprocess.run(
        [sys.executable, "-m", "gitops_cli", "status"],
        cwd=both.folder, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "staging: remote.yaml no longer has it" in shown
    database = "its database shop_staging is kept in the embedded PostgreSQL"
    stopped = "remote.yaml no longer has the environment staging: what ran of it is stopped"
    assert both.recover() == [f"{stopped}; {database}"]
    assert family.below(pid) == {}
    assert "staging" not in [found.name for found in releases.status(both.home)]
    assert both.recover() == []
    both.home.config.write_text(config)
    both.recover()
    assert (page(both, "staging"), rows(both, "staging")) == ("staged\n", data)


def test_a_running_agent_goes_over_to_what_remote_yaml_says(both: Site, config: str) -> None:
    """It stops what runs of the old name, and looks after the new one."""
    renamed = STAGING.replace("staging:", "later:\n    release: following")
    command = [sys.executable, "-u", "-m", "gitops_cli", "agent", "--home", str(both.home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        too_long = threading.Timer(LONG, agent.kill)
        too_long.start()
        assert agent.stdout is not None
        assert "looking after" in agent.stdout.readline()
        both.home.config.write_text("version: [")
        assert any("remote.yaml" in line for line in agent.stdout)
        both.home.config.write_text(config.replace(STAGING, renamed))
        lines = []
        for line in agent.stdout:
            lines.append(line)
            if "later follows next: released" in line:
                agent.terminate()
        too_long.cancel()
    assert page(both, "later") == "staged\n"
    assert any("no longer has the environment staging: what ran of it is stopped" in line for line in lines)
    assert not any("a release of it is open" in line for line in lines)


def test_one_that_never_was_has_no_open_release(both: Site) -> None:
    with pytest.raises(GitopsError) as unknown:
        releases.tend(both.home, "nowhere", SILENT, heal=False)
    assert unknown.value.cause == "remote.yaml has no environment nowhere"


def test_down_stops_one_that_is_gone_too(both: Site, config: str) -> None:
    pid = supervisor(both, "staging")
    both.home.config.write_text(config.replace(STAGING, ""))
    said = releases.down(both.home, SILENT)
    assert "staging, which remote.yaml no longer has, is stopped" in said
    assert not any(f"gitops_cli.targets.local.supervisor {both.home.path}" in line for line in family.mine())
    assert not Path(f"/proc/{pid}").exists() or state(pid) == "Z"


def test_one_that_is_gone_with_an_open_release_is_asked_for(both: Site, config: str) -> None:
    both.commit("Cut off", {"page.txt": "two\n"})
    with Flight(both) as flight:
        assert flight.stop_at("note deploy")
        family.kill(*flight.family, flight.client)
        flight.over()
    both.home.config.write_text(config.replace("production:", "prod:"))
    (found,) = [found for found in releases.status(both.home) if found.gone]
    assert (found.name, found.open_release) == ("production", flight.number)
    with pytest.raises(GitopsError, match="its database shop_production is kept") as asked:
        both.recover()
    assert asked.value.code == "remote.environment-gone"
    assert asked.value.next_command == "put production back, then: gitops recover"
    both.home.config.write_text(config)
    assert any("had been cut off; undone" in line for line in both.recover())
    assert both.recover() == []
    both.back()
