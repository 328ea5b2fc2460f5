"""The developer's own checkout: branch, remotes, hooks, fetch, push. What was pushed is never read here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.folder import FolderTree
from gitops_cli.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Set by git when an alias or a hook starts us; they would turn every question to another repository."""


_INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT)
_REASONS = ("fatal: ", "error: ", "ssh: ", "ERROR: ")
"""How the line begins with which git, ssh or a forge says why; below it stands what one might try."""


def _reason(said: str) -> str:
    """Pick the line that says why; else the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith(_REASONS)), lines[-1] if lines else "")
    return found.removeprefix("fatal: ")


class Checkout:
    """A work tree and its repository. Raises `Unavailable` when git itself fails."""

    def __init__(self, repo: Any) -> None:
        """`repo` is GitPython's."""
        self._repo = repo
        self.top = Path(repo.working_tree_dir)
        self.git_dir = Path(repo.common_dir)

    @classmethod
    def open(cls, folder: Path) -> Checkout | None:
        """Find the repository that holds a folder; None when there is none."""
        import git  # noqa: PLC0415 - GitPython starts a process when it is imported

        try:
            repo = git.Repo(folder, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError):
            return None
        return None if repo.bare else cls(repo)

    @classmethod
    def need(cls, folder: Path | None = None, *, way: str = "cd into the project") -> Checkout:
        """Find the repository that holds a folder (default: where we are).

        Raises `Refused` with `way` as the next command: `gitops init` would make a project of a wrong folder.
        """
        found = cls.open(folder or Path.cwd())
        if found is None:
            raise Refused("this folder is in no git repository", code="checkout.none", next_command=way)
        return found

    @classmethod
    def create(cls, folder: Path, branch: str) -> Checkout:
        """Make a repository in a folder."""
        import git  # noqa: PLC0415 - as above

        return cls(git.Repo.init(folder, initial_branch=branch))

    def git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run one git command and give its output without the last newline; `env` adds variables."""
        import git  # noqa: PLC0415 - as above

        try:
            return str(self._repo.git.execute(["git", *arguments], env=dict(env or {})))
        except git.GitCommandError as error:
            if (
                error.status in _INTERRUPTED
            ):  # Ctrl-C reaches the whole group, and git may be the first to end
                raise KeyboardInterrupt from None
            said = str(error.stderr).strip().removeprefix("stderr:").strip().strip("'")
            why = _reason(said) or f"exit code {error.status}"
            raise Unavailable(
                f"git {arguments[0]} failed: {why}",
                code="checkout.git",
                next_command="git remote -v" if arguments[0] == "fetch" else "",
            ) from error

    def try_git(self, *arguments: str) -> str:
        """Run one git command; empty when it fails."""
        try:
            return self.git(*arguments)
        except Unavailable:
            return ""

    @property
    def branch(self) -> str:
        """The branch that is checked out, also before its first commit; empty when detached."""
        return self.try_git("symbolic-ref", "--quiet", "--short", "HEAD")

    @property
    def remotes(self) -> dict[str, str]:
        """Name and URL of each git remote."""
        lines = self.try_git("config", "--get-regexp", r"^remote\..*\.url$").splitlines()
        pairs = (line.split(" ", 1) for line in lines if " " in line)
        return {key.removeprefix("remote.").removesuffix(".url"): url for key, url in pairs}

    @property
    def config_file(self) -> Path:
        """The repository's own configuration."""
        return self.git_dir / "config"

    def hooks(self) -> tuple[Path, bool]:
        """Give the folder where git looks for hooks, and whether somebody set it (`core.hooksPath`)."""
        chosen = self.try_git("config", "--get", "core.hooksPath")
        if not chosen:
            return self.git_dir / "hooks", False
        return self.top / Path(chosen).expanduser(), True

    def add_remote(self, name: str, url: str) -> None:
        """Add a git remote."""
        self.git("remote", "add", "--", name, url)

    def resolve(self, name: str) -> str:
        """Give the commit that a name means; empty when there is none."""
        return self.try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Say whether `older` is in the history of `newer`; both are any names of commits."""
        try:
            self.git("merge-base", "--is-ancestor", older, newer)
        except Unavailable:
            return False
        return True

    def is_clean(self) -> bool:
        """Say whether every tracked file is as it was committed."""
        return not self.git("status", "--porcelain", "--untracked-files=no")

    def tree(self) -> FolderTree:
        """Give the working tree: tracked files and new ones that are not ignored."""
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return FolderTree(self.top, sorted({path for path in listed.split("\0") if path}))

    def write_tree(self) -> str:
        """Write the working tree, as `git add -A` would, into the object store; give the tree's id.

        Neither index nor refs change, so `git gc` removes it again.
        """
        with tempfile.TemporaryDirectory(prefix="gitops-index-") as folder:
            index, own = Path(folder, "index"), self.top / self.git("rev-parse", "--git-path", "index")
            if own.exists():
                shutil.copyfile(own, index)  # what git knows of unchanged files saves reading them
            env = {"GIT_INDEX_FILE": str(index)}
            self.git("-C", str(self.top), "add", "--all", env=env)
            return self.git("write-tree", env=env)

    def fetch(self, remote: str, *refspecs: str) -> None:
        """Fetch refs, quietly; those of these refspecs that are gone there go. Raises `Unavailable`.

        A `topic` that is gone would be in the way of `topic/a`.
        """
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head")
        self.git("fetch", *quiet, "--prune", "--", remote, *refspecs)

    def refs(self, prefix: str) -> dict[str, str]:
        """Give the refs under a prefix and what they name."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def commit_tree(self, tree: str, parent: str, message: str) -> str:
        """Make a commit of a tree on top of another commit; moves nothing."""
        return self.git("commit-tree", tree, "-p", parent, "-m", message)

    def fast_forward(self, commit: str) -> None:
        """Move the branch that is checked out, and its files, forward."""
        self.git("merge", "--ff-only", "--quiet", commit)

    def push(self, remote: str, refspec: str, options: Sequence[str], say: Callable[[str], None]) -> int:
        """Push as a person would; each line that git prints goes to `say`. Gives git's exit code."""
        chosen = [part for option in options for part in ("-o", option)]
        environment = {key: value for key, value in os.environ.items() if key not in _HOOK_VARIABLES}
        with subprocess.Popen(
            ["git", "push", *chosen, "--", remote, refspec],
            cwd=self.top,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
        ) as child:
            for line in child.stdout or ():
                say(line.rstrip())  # git pads lines of the other side with spaces
        return child.returncode
