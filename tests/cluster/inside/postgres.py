"""The first process of the PostgreSQL image: POSTGRES_PASSWORD is the password of `postgres`, PGDATA the folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = Path("/opt/postgres/bin")


def main() -> None:
    data = Path(os.environ.get("PGDATA", "/data/postgres"))
    if not (data / "PG_VERSION").exists():
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(os.environ["POSTGRES_PASSWORD"])
            password.flush()
            command: list[str | Path] = [
                PROGRAMS / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--pwfile",
                password.name,
            ]
            options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
            subprocess.run([*command, *options], check=True)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
    postgres = str(PROGRAMS / "postgres")
    os.execv(postgres, [postgres, "-D", str(data), "-c", "listen_addresses=*", "-k", "/tmp"])


if __name__ == "__main__":
    main()
