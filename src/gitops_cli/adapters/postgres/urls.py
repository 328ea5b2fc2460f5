"""Addresses of databases, as PostgreSQL spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from pathlib import Path


def over_socket(folder: Path, port: int, *, user: str, password: str, name: str) -> str:
    """Spell the address of a database behind a Unix socket."""
    query = urlencode({"host": str(folder), "port": port})
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@/{quote(name, safe='')}?{query}"


def over_tcp(host: str, port: int, *, user: str, password: str, name: str) -> str:
    """Spell the address of a database behind a port."""
    shown = f"[{host}]" if ":" in host else host
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{credentials}@{shown}:{port}/{quote(name, safe='')}"


def with_database(url: str, name: str) -> str:
    """Give the same address with another database."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))
