"""The far side of the relay: TCP and TLS to a database, as libpq does it."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.text import safe
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    import ssl

_SSL_REQUEST = struct.pack("!II", 8, 80_877_103)
_SECONDS = 10.0
_PLAIN = ("disable", "allow")
_OPTIONAL = ("prefer",)
_VERIFIED = ("verify-ca", "verify-full")


@dataclass(frozen=True)
class Upstream:
    """Where the database is and how to speak to it."""

    hosts: tuple[tuple[str, int], ...]
    user: str
    password: str = field(repr=False)
    name: str
    options: dict[str, str] = field(repr=False)
    """`sslmode` and what belongs to it, by libpq's names."""

    @classmethod
    def of(cls, url: str) -> Upstream:
        """Read a URL. Raises `Unavailable`."""
        import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

        try:
            parts: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.Error:
            raise Unavailable(
                "the database's address is no PostgreSQL URL", code="database.setting"
            ) from None
        hosts = str(parts.get("hostaddr") or parts.get("host") or "localhost").split(",")
        ports = str(parts.get("port") or 5432).split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        options = {key: str(value) for key, value in parts.items() if key.startswith("ssl")}
        options["host"] = str(parts.get("host") or hosts[0]).split(",")[0]
        user = str(parts.get("user") or "")
        return cls(
            tuple((host, int(port or 5432)) for host, port in zip(hosts, ports, strict=True)),
            user,
            str(parts.get("password") or ""),
            str(parts.get("dbname") or user),
            options,
        )

    def connect(self) -> socket.socket:
        """Connect to the first host that answers. Raises `Unavailable`, `OSError`."""
        failed: OSError | None = None
        for host, port in self.hosts:
            try:
                plain = socket.create_connection((host, port), timeout=_SECONDS)
            except OSError as error:
                failed = error
                continue
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                return self._secured(plain, host if len(self.hosts) > 1 else self.options["host"])
            except BaseException:
                plain.close()
                raise
        raise Unavailable(
            f"the database cannot be reached: {safe(str(failed))}", code="database.unreachable"
        ) from None

    def _secured(self, plain: socket.socket, host: str) -> socket.socket:
        mode = self.options.get("sslmode", "prefer")
        if mode in _PLAIN:
            return plain
        direct = self.options.get("sslnegotiation") == "direct"
        if not direct:
            plain.sendall(_SSL_REQUEST)
            answer = plain.recv(1)
            if answer == b"N" and mode in _OPTIONAL:
                return plain
            if answer != b"S":
                raise Unavailable(
                    f"the database speaks no TLS and sslmode is {safe(mode)}", code="database.tls"
                )
        import ssl  # noqa: PLC0415 - 20 ms, for a database over TLS only

        try:
            return self._context(mode, direct=direct).wrap_socket(plain, server_hostname=host)
        except (ssl.SSLError, ssl.CertificateError) as error:
            reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or "no reason given"
            raise Unavailable(
                f"TLS with the database failed: {safe(str(reason))}", code="database.tls"
            ) from None

    def _context(self, mode: str, *, direct: bool) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        root = self.options.get("sslrootcert", "")
        if root == "system":
            mode = "verify-full"
            context.load_default_certs()
        elif mode in _VERIFIED or (mode == "require" and root):  # then it verifies too, as in libpq
            mode = "verify-ca" if mode == "require" else mode
            path = Path(root) if root else Path(os.path.expanduser("~")) / ".postgresql" / "root.crt"  # noqa: PTH111
            try:
                context.load_verify_locations(path)
            except OSError:
                raise Unavailable(f"the certificate {path} cannot be read", code="database.tls") from None
        context.check_hostname = mode == "verify-full"
        context.verify_mode = ssl.CERT_REQUIRED if mode in _VERIFIED else ssl.CERT_NONE
        if certificate := self.options.get("sslcert"):
            context.load_cert_chain(certificate, self.options.get("sslkey"))
        if direct:
            context.set_alpn_protocols(["postgresql"])
        return context
