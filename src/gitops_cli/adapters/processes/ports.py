"""Free TCP ports."""

from __future__ import annotations


def free_port(host: str = "127.0.0.1") -> int:
    """Give a TCP port that nobody listens on now; somebody quicker may take it before the caller does."""
    import socket  # noqa: PLC0415 - 4 ms, only where a port is wanted

    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port
