"""The supervisor's control socket: one request, one answer, a line of JSON each."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

LIMIT = 64 * 1024


class Control:
    """Answers whoever knows the token; it lies where no application can read it."""

    def __init__(self, token: str, commands: Mapping[str, Command]) -> None:
        """`commands` by name."""
        self._token = token
        self._commands = commands

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            line = await asyncio.wait_for(reader.readuntil(b"\n"), 10)
            writer.write(msgspec.json.encode(await self._do(line)) + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, line: bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            return {"error": "not understood"}
        if not hmac.compare_digest(str(request.get("token", "")).encode(), self._token.encode()):
            return {"error": "not allowed"}
        command = self._commands.get(str(request.get("do")))
        if command is None:
            return {"error": "unknown command"}
        try:
            return await command(request)
        except (OSError, ValueError) as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - a boundary: one bad request must not end what runs
            return {"error": getattr(error, "cause", "") or repr(error)}
