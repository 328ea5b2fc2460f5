"""A page that shows a table of the database: the standard library, psycopg, and nothing else."""

from __future__ import annotations

import html
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

DATABASE_URL = os.environ["DATABASE_URL"]
PORT = int(os.environ.get("PORT", "8080"))
EMPTY = "–"

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@name@</title>
<style>
  :root {{ color-scheme: light dark; --line: #8884; --accent: #3b6ef5; }}
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 12vh auto; padding: 0 1.5rem; }}
  h1 {{ font-size: 1.6rem; margin: 0 0 .25rem; }}
  p {{ margin: 0 0 2rem; opacity: .7; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th {{ text-align: left; font-weight: 600; color: var(--accent); }}
  th, td {{ padding: .55rem .75rem .55rem 0; border-bottom: 1px solid var(--line); }}
  code {{ font: .9em ui-monospace, monospace; }}
</style>
<h1>@name@</h1>
<p>This table was made by a migration and came here with <code>git push</code>.</p>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</html>
"""


def page() -> str:
    """Draw every column of the table `notes`."""
    with psycopg.connect(DATABASE_URL, connect_timeout=5) as connection:
        cursor = connection.execute("SELECT * FROM notes ORDER BY id LIMIT 100")
        columns = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "\n".join(
        "<tr>"
        + "".join(f"<td>{html.escape(str(value if value is not None else EMPTY))}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    return PAGE.format(head=head, body=body)


def ready() -> str:
    """Ask the database for one row: ready means that the page can be answered."""
    with psycopg.connect(DATABASE_URL, connect_timeout=5) as connection:
        connection.execute("SELECT 1 FROM notes LIMIT 1")
    return "ready\n"


class Handler(BaseHTTPRequestHandler):
    """Answers `/` and `/healthz`."""

    def do_GET(self) -> None:
        """Answer one request."""
        answers = {"/": (page, "text/html"), "/healthz": (ready, "text/plain")}
        answer, kind = answers.get(self.path.split("?")[0], (None, "text/plain"))
        if answer is None:
            self.reply(404, kind, "not found\n")
            return
        try:
            self.reply(200, kind, answer())
        except psycopg.Error as error:
            print(f"database: {error}", flush=True)
            self.reply(503, "text/plain", "the database does not answer\n")

    def reply(self, status: int, kind: str, text: str) -> None:
        """Send one answer."""
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Log to standard output, where `gitops logs` finds it; probes are left out."""
        if self.path != "/healthz":
            print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}", flush=True)


def main() -> None:
    """Serve until SIGTERM; requests that have begun are answered."""
    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on {PORT}", flush=True)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
