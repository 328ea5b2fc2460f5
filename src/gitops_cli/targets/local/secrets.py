"""Where the values of secrets come from: the operator's store, and the database's own secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from gitops_cli.adapters import secrets as operator
from gitops_cli.adapters.files import read_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import DatabaseAt

DATABASE = "database"


class Store:
    """The secrets of one environment. `given` answers first: an operator's own store of another kind."""

    def __init__(
        self, home: Home, environment: str, given: Callable[[str, str], str | None] | None = None
    ) -> None:
        """Read nothing yet."""
        self.project = ""
        """The database of a new environment is called after it."""
        self._home = home
        self._environment = environment
        self._given = given
        self._known: dict[str, str] | None = None

    def value(self, name: str, key: str) -> str | None:
        """Give a value, or None. Raises `GitopsError` when the database does not answer."""
        if self._given is not None:
            found = self._given(name, key)
            if found is not None:
                return found
        if name == DATABASE:
            found = self._database().get(key)
            if found is not None:
                return found
        return operator.resolve(self._home, self._environment, name, key)

    def keys(self, name: str) -> Sequence[str]:
        """Name every key of a secret."""
        if name == DATABASE and (known := self._database()):
            return sorted(known)
        return operator.keys(self._home, self._environment, name)

    def has_database(self) -> bool:
        """Say whether the environment has a database, which brings its own secret."""
        return database_setting(self._home, self._environment) != "none"

    def ensure(self, names: Iterable[str]) -> None:
        """Make sure that the database runs if its secret is wanted; its port may be a new one after a reboot.

        Raises `GitopsError`.
        """
        if DATABASE in names:
            self._known = None
            self._database()

    def _database(self) -> dict[str, str]:
        if self._known is None:
            setting = database_setting(self._home, self._environment)
            if setting == "none":
                self._known = {}
            else:
                from gitops_cli.adapters.postgres.access import (  # noqa: PLC0415 - psycopg, 90 ms: only where wanted
                    access,
                    app_secret,
                )

                self._known = app_secret(access(self._home, self._environment, self.project, setting))
        return self._known


def database_setting(home: Home, environment: str) -> Literal["embedded", "none"] | DatabaseAt:
    """Read which database an environment has: `none` without a remote.yaml. Raises `BadInput`."""
    data = read_or_none(home.config)
    if data is None:
        return "none"
    from gitops_cli.config.remote import load_remote  # noqa: PLC0415 - yaml, only where a database is wanted

    found = load_remote(data, "remote.yaml").environments.get(environment)
    return found.database if found is not None else "none"


def supervisor_environment(home: Home, environment: str) -> dict[str, str]:
    """Give the one variable that the supervisor needs: an address that remote.yaml takes from `env:NAME`."""
    setting = database_setting(home, environment)
    if isinstance(setting, str) or not setting.url.startswith("env:"):
        return {}
    name = setting.url.removeprefix("env:")
    return {name: os.environ[name]} if name in os.environ else {}
