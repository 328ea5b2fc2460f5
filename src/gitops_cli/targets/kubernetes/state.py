"""The folder of an environment that is in a cluster: everything that we remember of it.

inventory.json        which objects should be there (`inventory`)
sets/KEY.json.gz      the objects of a set, to put them back
ledger.json           what the server answered to our last PATCH of each (`ledger`)
heals.json            what was healed and when (`fights`)
plans/COMMIT.json     the plan that pre-receive made, taken once by the release

Written under the environment's lock, but for the plans.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.errors import Unavailable
from gitops_cli.targets.kubernetes.inventory import VERSION, Inventory
from gitops_cli.targets.kubernetes.ledger import Ledger, Row
from gitops_cli.targets.kubernetes.planned import Plan, Taken
from gitops_cli.targets.kubernetes.rendering import Rendered

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class Bodies(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of a set."""

    objects: tuple[Rendered, ...] = ()
    before: tuple[Rendered, ...] = ()
    """What was ours of objects that were not as a set of ours names them."""
    taken: tuple[Taken, ...] = ()
    """Objects of which this set's release takes fields from others."""


class State:
    """Reads and writes the folder."""

    def __init__(self, folder: Path) -> None:
        """`folder` is `Home.kubernetes(environment)`; it is made when something is written."""
        self.folder = folder

    def made(self) -> Path:
        """Give the folder, made."""
        return private_dir(self.folder)

    def inventory(self) -> Inventory:
        """Read the inventory; nothing wanted when there is none. Raises `Unavailable` when it is damaged."""
        found = self._read("inventory.json", Inventory) or Inventory()
        if found.version != VERSION:
            raise Unavailable(
                f"the inventory {self.folder / 'inventory.json'} was written by another version of gitops",
                code="kubernetes.inventory-version",
            )
        return found

    def save_inventory(self, inventory: Inventory) -> None:
        """Write the inventory; it is on disk when this returns."""
        self._write("inventory.json", msgspec.json.encode(inventory))

    def ledger(self) -> Ledger:
        """Read the ledger. A damaged one is an empty one: it costs dry runs, no more."""
        return Ledger(self.read_or("ledger.json", list[Row], []))

    def save_ledger(self, ledger: Ledger) -> None:
        """Write the ledger."""
        self._write("ledger.json", msgspec.json.encode(ledger.rows))

    def bodies(self, key: str) -> Bodies:
        """Read the objects of a set. Raises `Unavailable` when they are gone."""
        path = self.folder / "sets" / f"{key}.json.gz"
        try:
            return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Bodies)
        except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
            raise Unavailable(
                f"the objects of a release in {path} cannot be read ({error})", code="kubernetes.set"
            ) from None

    def save_bodies(self, key: str, bodies: Bodies) -> None:
        """Write the objects of a set."""
        data = gzip.compress(msgspec.json.encode(bodies), compresslevel=1, mtime=0)
        self._write(f"sets/{key}.json.gz", data)

    def tidy(self, inventory: Inventory) -> None:
        """Remove the objects of sets that nobody names any more, and what a killed write has left."""
        kept = {f"{found.key}.json.gz" for found in inventory.sets}
        folder = self.folder / "sets"
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in kept:
                path.unlink(missing_ok=True)
        for name in ("inventory.json", "ledger.json"):  # the others are written without the lock
            for path in self.folder.glob(f".{name}.*.tmp"):
                path.unlink(missing_ok=True)

    def save_plan(self, plan: Plan) -> None:
        """Keep a plan for the release of its commit."""
        self._write(f"plans/{plan.commit}.json", msgspec.json.encode(plan))

    def take_plan(self, commit: str) -> Plan | None:
        """Give the plan of a commit, once; the others are for a state that is about to end.

        The folder stays: another push may be writing its plan into it just now.
        """
        try:
            found = self._read(f"plans/{commit}.json", Plan)
        except Unavailable:
            found = None
        for path in (self.folder / "plans").glob("[!.]*"):
            path.unlink(missing_ok=True)
        return found

    def read_or(self, name: str, kind: type[T], otherwise: T) -> T:
        """Read a file that costs little when it is lost."""
        try:
            found = self._read(name, kind)
        except Unavailable:
            return otherwise
        return otherwise if found is None else found

    def write_json(self, name: str, value: object) -> None:
        """Write such a file."""
        self._write(name, msgspec.json.encode(value))

    def _read(self, name: str, kind: type[T]) -> T | None:
        data = read_or_none(self.folder / name)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"{self.folder / name} cannot be read ({error})",
                code="kubernetes.inventory",
                next_command="gitops recover",
            ) from None

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        private_dir(path.parent)
        write_atomic(path, data)
