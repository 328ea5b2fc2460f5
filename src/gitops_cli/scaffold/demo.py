"""`gitops demo`: the whole story in a new folder, by the commands that a developer types."""

from __future__ import annotations

import html
import re
import shlex
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitops_cli import releases
from gitops_cli.adapters import web
from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.clock import monotonic
from gitops_cli.adapters.files import remove_tree, write_atomic
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server
from gitops_cli.errors import Failed, Refused
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.scaffold.init import REMOTE, init
from gitops_cli.scaffold.migration import create
from gitops_cli.scaffold.picture import PAGE_SECONDS, Picture, picture, urls
from gitops_cli.scaffold.remote import is_remote
from gitops_cli.scaffold.rollback import rollback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")
ENVIRONMENT = "production"
_ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_COLUMN = """    op.add_column("notes", sa.Column("author", sa.Text))
"""
_NO_COLUMN = """    op.drop_column("notes", "author")
"""
_BAD = """    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("ALTER TABLE notse ADD COLUMN price integer")  # no such table
"""
_BAD_BACK = """    op.drop_table("orders")
"""


class Act(msgspec.Struct, frozen=True):
    """One part of the story."""

    name: str
    seconds: float
    says: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it."""

    folder: str
    remote: str
    url: str
    page: str
    """What the page shows in the end, one row a line."""
    seconds_to_first_page: float
    seconds: float
    acts: tuple[Act, ...]


class Demo:
    """A project in FOLDER/app, its remote in FOLDER/remote, and what is told of them."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """`say` hears each line of the story."""
        self.folder = folder
        self.app = folder / "app"
        self.home = Home(folder / "remote")
        self._say = say
        self._started = monotonic()
        self._acts: list[Act] = []

    def tell(self) -> Story:
        """Tell it. Raises `Refused` when the folder is in use, `Failed` when something is not as promised."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise Refused(
                f"{self.folder} is not empty",
                code="demo.not-empty",
                next_command=f"gitops demo {shlex.quote(str(self.folder))} --rm"
                if _is_demo(self.folder)
                else "gitops demo, which makes a folder of its own",
            )
        checkout = self._act("an empty folder becomes a project with a remote", self._init)
        self._act("git push is the release", lambda: self._first_push(checkout))
        first = monotonic() - self._started
        self._act("a migration travels with the code", lambda: self._migration(checkout))
        self._act("a push that fails changes nothing", lambda: self._bad_push(checkout))
        self._act("a rollback is a push too", lambda: self._rollback(checkout))
        url = self._url()
        return Story(
            folder=str(self.folder),
            remote=str(self.home.path),
            url=url,
            page="\n".join(rows(web.page(url, PAGE_SECONDS))),
            seconds_to_first_page=round(first, 1),
            seconds=round(monotonic() - self._started, 1),
            acts=tuple(self._acts),
        )

    def _act(self, name: str, play: Callable[[], _T]) -> _T:
        self._say(f"== {name}")
        begun = monotonic()
        done = play()
        seconds = round(monotonic() - begun, 1)
        self._acts.append(Act(name, seconds, str(done) if isinstance(done, str) else ""))
        self._say(f"   {seconds:.1f} s")
        self._say("")
        return done

    def _init(self) -> Checkout:
        server.destroy(self.home)  # of a demo whose folder was removed by hand: root's data lies elsewhere
        self._command(shlex.join(["gitops", "init", str(self.app), "--remote", str(self.home.path)]))
        done = init(self.app, remote=str(self.home.path))
        for path in done.written:
            self._say(f"   wrote {path}")
        for note in done.notes:
            self._say(f"   note: {note}")
        checkout = Checkout.need(self.app)
        for key, value in (("user.name", "gitops demo"), ("user.email", "demo@example.org")):
            if not checkout.try_git("config", "--get", key):
                checkout.git("config", key, value)
        checkout.git("config", "commit.gpgSign", "false")  # nobody is there to type a passphrase
        return checkout

    def _first_push(self, checkout: Checkout) -> str:
        self._commit(checkout, "Begin")
        self._push(checkout)
        return self._show_page(wanted="title")

    def _migration(self, checkout: Checkout) -> str:
        self._migrate(checkout, "add the author of a note", _COLUMN, _NO_COLUMN)
        self._push(checkout)
        return self._show_page(wanted="author")

    def _bad_push(self, checkout: Checkout) -> str:
        before = self._picture()
        self._migrate(checkout, "orders, with a mistake in it", _BAD, _BAD_BACK)
        self._command("git push gitops main")
        if checkout.push(REMOTE, "main", (), self._quote) == 0:
            raise Failed("a push with a broken migration was accepted", code="demo.accepted")
        if (after := self._picture()) != before:
            raise Failed(
                f"the refused push changed something: {_differs(before, after)}", code="demo.changed"
            )
        self._command("git reset --hard HEAD~1")
        checkout.git("reset", "--hard", "--quiet", "HEAD~1")
        told = "refs, schema, rows, processes and page are what they were before"
        self._say(f"   {told}")
        return told

    def _rollback(self, checkout: Checkout) -> str:
        self._command("gitops rollback")
        rollback(checkout, say=self._quote)
        page = self._show_page(wanted="title")
        if "author" in page:
            raise Failed("the page still shows the column after the rollback", code="demo.rollback")
        return page

    def _migrate(self, checkout: Checkout, message: str, up: str, down: str) -> None:
        """Write a migration as a developer does: create it, fill in both ways, commit."""
        self._command(f'gitops migrate create "{message}"')
        (path,) = create(checkout, message)
        file = checkout.top / path
        text = file.read_bytes().decode().replace("    pass\n", up, 1).replace("    pass\n", down, 1)
        write_atomic(file, text.encode(), 0o644)
        self._commit(checkout, message.capitalize())

    def _commit(self, checkout: Checkout, message: str) -> None:
        self._command(f'git add -A && git commit -m "{message}"')
        checkout.git("add", "-A")
        checkout.git("commit", "--quiet", "-m", message)

    def _push(self, checkout: Checkout) -> None:
        self._command("git push gitops main")
        if checkout.push(REMOTE, "main", (), self._quote) != 0:
            raise Failed(
                "the push was refused",
                code="demo.refused",
                next_command=f"gitops down --home {self.home.path}",
            )

    def _show_page(self, wanted: str) -> str:
        url = self._url()
        self._command(f"curl {url}")
        found = rows(web.page(url, PAGE_SECONDS))
        for row in found:
            self._say(f"   {row}")
        if not found or wanted not in found[0]:
            raise Failed(f"the page at {url} does not show the column {wanted}", code="demo.page")
        return "\n".join(found)

    def _url(self) -> str:
        return next(iter(urls(self.home, ENVIRONMENT).values()))

    def _picture(self) -> Picture:
        return picture(self.home, ENVIRONMENT, "app")

    def _command(self, text: str) -> None:
        self._say(f"   $ {text}")

    def _quote(self, line: str) -> None:
        self._say(f"     {line}")


def rows(page: str) -> list[str]:
    """Give the rows of the table on a page, cells beside each other."""
    return [
        " | ".join(html.unescape(_TAG.sub("", cell)).strip() for cell in re.split(r"</t[dh]>", row)[:-1])
        for row in _ROW.findall(page)
    ]


def _is_demo(folder: Path) -> bool:
    """Say whether a folder holds what a demo makes, and nothing else."""
    return is_remote(Home(folder / "remote")) and {path.name for path in folder.iterdir()} <= {
        "app",
        "remote",
    }


def clean_up(folder: Path) -> list[str]:
    """Stop and remove a demo. Raises `Refused` when the folder is none."""
    home = Home(folder / "remote")
    if not _is_demo(folder):
        raise Refused(f"{folder} holds no demo", code="demo.none", file=str(folder))
    said = releases.down(home, SILENT)
    server.destroy(home)
    remove_tree(home.runtime())
    remove_tree(folder)
    return [*said, f"{folder} is removed"]


def _differs(before: Picture, after: Picture) -> str:
    names = [field for field in before.__struct_fields__ if getattr(before, field) != getattr(after, field)]
    return ", ".join(names)
