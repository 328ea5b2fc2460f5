"""From a remote's folder and the name of an environment to everything that its steps need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters import sandbox
from gitops_cli.adapters.files import private_dir
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.config.remote import Environment, Remote, load_remote
from gitops_cli.errors import PolicyRefused, Unavailable
from gitops_cli.pipeline.journal import Journal
from gitops_cli.steps.context import Context
from gitops_cli.steps.transcript import Transcript
from gitops_cli.targets.catalogue import make_target

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.steps.content import Content


@dataclass(frozen=True)
class Surroundings:
    """One remote as it is configured now. A `with` ends the git process that reads its objects."""

    home: Home
    remote: Remote
    repo: Repo

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the repository."""
        self.repo.close()

    def journal(self, environment: str) -> Journal:
        """Open the journals of an environment."""
        return Journal(private_dir(self.home.journal(environment)))

    def is_open(self, environment: str) -> bool:
        """Say whether a release of an environment is open, also of one that remote.yaml no longer has."""
        return any(self.home.journal(environment).glob("*.journal"))

    def environment(self, name: str) -> Environment:
        """Give an environment by name. Raises `Unavailable` when remote.yaml does not have it (any more)."""
        try:
            return self.remote.environments[name]
        except KeyError:
            text = f"remote.yaml has no environment {name}"
            is_open = self.is_open(name)
            then = "put it back, then: gitops recover" if is_open else "gitops status"
            raise Unavailable(
                f"{text}, but a release of it is open" if is_open else text,
                code="remote.environment-gone",
                file=str(self.home.config),
                next_command=then,
            ) from None

    def context(
        self,
        environment: Environment,
        watch: Watcher,
        lock_fds: tuple[int, ...] = (),
        *,
        contents: dict[str, Content] | None = None,
    ) -> Context:
        """Put together what the steps of one release share; `contents` are of commits that were read."""
        level = allowed_level(self.remote)
        transcript = Transcript(watch)
        return Context(
            home=self.home,
            environment=environment,
            repo=self.repo,
            target=make_target(self.home, environment, self.repo, level),
            level=level,
            watch=transcript,
            transcript=transcript,
            lock_fds=lock_fds,
            contents=contents or {},
        )


def surroundings(home: Home, repo: Repo | None = None) -> Surroundings:
    """Read remote.yaml. Raises `BadInput` with file and line, `Unavailable` when it is not there."""
    try:
        data = home.config.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"{home.config} cannot be read ({error.strerror})",
            code="remote.unreadable",
            next_command=f"gitops remote init {home.path}",
        ) from error
    return Surroundings(home, load_remote(data, str(home.config)), repo or Repo(home.repo))


def allowed_level(remote: Remote) -> sandbox.Level:
    """Give the strongest sandbox level there is, or the one that remote.yaml names.

    Raises `PolicyRefused` where there is none and remote.yaml does not say that this is accepted.
    """
    if remote.sandbox == "none":
        return sandbox.Level.NONE
    found = sandbox.probe()
    if remote.sandbox not in ("auto", found.level.value):
        found = sandbox.probe(sandbox.Level(remote.sandbox))
    if found.level is sandbox.Level.NONE:
        raise PolicyRefused(
            f"this machine offers no sandbox for pushed code ({found.reason})",
            code="sandbox.none",
            next_command="write `sandbox: none` into remote.yaml if pushers and operator are one person",
        )
    return found.level
