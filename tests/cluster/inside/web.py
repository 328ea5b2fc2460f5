"""A small web application in an image; what it does is said by its environment.

TEXT (answered at `/`), PORT (8080), NEEDS (names of variables without which it exits 1, by commas), EXIT (a
code: it prints LINES lines and exits), READY=never (`/ready` answers 503), DATABASE_URL and QUERY (`/database`
answers the first value), GRACE (seconds that it goes on answering after SIGTERM: 4).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENVIRON = os.environ


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            status, text = answer(self.path)
        except Exception as error:  # noqa: BLE001 - whatever it is, a client asked for it
            status, text = 500, f"{type(error).__name__}: {error}"
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the library
        """Say nothing: what it prints is what a test told it to."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def answer(path: str) -> tuple[int, str]:
    if path == "/ready":
        return (503, "never") if ENVIRON.get("READY") == "never" else (200, "ready")
    if path == "/database":
        return 200, str(first_value())
    return 200, ENVIRON.get("TEXT", "web")


def first_value() -> object:
    import psycopg

    with psycopg.connect(ENVIRON["DATABASE_URL"], connect_timeout=5) as connection:
        row = connection.execute(ENVIRON.get("QUERY", "select current_database()").encode()).fetchone()
    return row[0] if row else None


def main() -> None:
    for name in filter(None, ENVIRON.get("NEEDS", "").split(",")):
        if not ENVIRON.get(name):
            sys.exit(f"{name} is not set")
    if "EXIT" in ENVIRON:
        for number in range(1, int(ENVIRON.get("LINES", "3")) + 1):
            print(f"line {number}", flush=True)
        sys.exit(int(ENVIRON["EXIT"]))
    server = Server(("", int(ENVIRON.get("PORT", "8080"))), Handler)
    # A pod gets new connections until every node has forgotten its address: a second, on a busy machine two.
    stop = threading.Timer(float(ENVIRON.get("GRACE", "4")), server.shutdown)
    signal.signal(signal.SIGTERM, lambda *_: None if stop.is_alive() else stop.start())
    print(f"serving {ENVIRON.get('TEXT', 'web')}", flush=True)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
