"""What a command in a cage sees, may write, and may use up."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import sandbox
from gitops_cli.errors import Unavailable
from tests.sandbox.tools import MIB, python, run

if TYPE_CHECKING:
    from pathlib import Path

WRITE = """
import sys
try:
    open(sys.argv[1] + "/new", "w").close()
    print("written")
except OSError as error:
    print(error.errno)
"""


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text("text")
    return path


def test_read_is_read_only_and_write_is_not(level: sandbox.Level, tmp_path: Path) -> None:
    if level is sandbox.Level.NONE:
        pytest.skip("nothing is shown or hidden")
    read, write = _folder(tmp_path / "read"), _folder(tmp_path / "write")
    uid = sandbox.uid_for("test")
    if level is sandbox.Level.UID:
        os.chown(write, uid, uid)
    cage = sandbox.Cage(level=level, read=(read,), write=(write,), uid=uid)

    assert python(cage, WRITE, str(read)) in ("30\n", "13\n")  # EROFS, EACCES
    assert python(cage, WRITE, str(write)) == "written\n"
    assert python(cage, "import sys; print(open(sys.argv[1]).read())", str(read / "file")) == "text\n"
    assert (write / "new").exists()


def test_the_rest_of_a_folder_is_not_seen(level: sandbox.Level, tmp_path: Path) -> None:
    if level is sandbox.Level.NONE:
        pytest.skip("nothing is shown or hidden")
    home = _folder(tmp_path / "private")
    home.chmod(0o700)
    export = _folder(home / "state" / "exports" / "1")
    code = """
import os, sys
print(open(sys.argv[1] + "/file").read())
for path in (sys.argv[2] + "/file", "/root/.profile", "/etc/shadow", "/var/log", "/etc/ssl/private"):
    try:
        os.open(path, os.O_RDONLY)
        print("seen", path)
    except OSError:
        pass
"""

    assert python(sandbox.Cage(level=level, read=(export,)), code, str(export), str(home)) == "text\n"


def test_a_folder_can_be_hidden_below_one_that_is_seen(level: sandbox.Level, tmp_path: Path) -> None:
    seen = _folder(tmp_path / "seen")
    hidden = _folder(seen / "remote")
    export = _folder(hidden / "state" / "export")
    cage = sandbox.Cage(level=level, read=(seen, export), hide=(hidden,))
    code = """
import os, sys
print(os.listdir(sys.argv[1]), os.path.exists(sys.argv[2] + "/file"), open(sys.argv[3] + "/file").read())
"""
    if level is sandbox.Level.LANDLOCK:
        with pytest.raises(Unavailable, match="Landlock cannot hide"):
            python(cage, code, str(seen), str(hidden), str(export))
    elif level.namespaced:
        assert python(cage, code, str(seen), str(hidden), str(export)) == "['file', 'remote'] False text\n"


def test_a_folder_can_be_shown_under_another_name(namespaced: sandbox.Level, tmp_path: Path) -> None:
    folder = str(_folder(tmp_path / "x"))
    cage = sandbox.Cage(level=namespaced, show=((folder, "/srv/app"), (folder, "/../../up")))

    assert python(cage, "print(open('/srv/app/file').read(), open('/up/file').read())") == "text text\n"


def test_links_on_the_way_are_followed(level: sandbox.Level, tmp_path: Path) -> None:
    real = _folder(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(real)
    code = "import sys; print(open(sys.argv[1]).read(), open(sys.argv[2]).read())"

    cage = sandbox.Cage(level=level, read=(link,))

    assert python(cage, code, str(link / "file"), str(real / "file")) == "text text\n"


def test_all_that_is_written_counts_together(namespaced: sandbox.Level) -> None:
    code = """
import errno
for path in ("/tmp/a", "/home/app/b", "/dev/shm/c", "/var/tmp/d"):
    try:
        with open(path, "wb", 0) as file:
            file.write(bytes(6 << 20))
        print(path)
    except OSError as error:
        print(errno.errorcode[error.errno])
for path in ("/x", "/etc/x", "/usr/x", "/home/x", "/run/x", "/dev/x"):
    try:
        open(path, "w").close()
        print(path)
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    cage = sandbox.Cage(level=namespaced, limits=sandbox.Limits(tmpfs=10 * MIB))

    words = python(cage, code).split()

    assert words[0] == "/tmp/a"
    assert "ENOSPC" in words[1:3]
    assert not {word for word in words[4:] if word.startswith("/")}


def test_limits_hold(level: sandbox.Level) -> None:
    code = """
import resource as r
print(*(r.getrlimit(k) for k in (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_CORE)))
"""
    limits = sandbox.Limits(cpu=7, memory=1 << 31, file_size=12345, open_files=99)

    got = python(sandbox.Cage(level=level, limits=limits), code)

    assert got == f"(7, 7) ({1 << 31}, {1 << 31}) (12345, 12345) (99, 99) (0, 0)\n"


def test_a_virtual_environment_under_a_private_folder_works(level: sandbox.Level, tmp_path: Path) -> None:
    venv = tmp_path / "private" / "venv"
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "a_dependency.py").write_text("WORD = 'imported'\n")
    venv.parent.chmod(0o700)
    cage = sandbox.Cage(level=level, read=(venv,))

    done = run(cage, str(venv / "bin" / "python"), "-c", "import a_dependency; print(a_dependency.WORD)")

    assert done.stdout == b"imported\n", done.stderr.decode()


def test_our_own_packages_import(level: sandbox.Level) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("sqlalchemy")

    assert python(sandbox.Cage(level=level), "import psycopg, sqlalchemy, alembic; print('ok')") == "ok\n"


def test_names_resolve_and_certificates_are_there(namespaced: sandbox.Level) -> None:
    code = """
import pwd, os, socket, ssl
print(pwd.getpwuid(os.getuid()).pw_name, socket.gethostbyname("localhost"))
bundle = "/etc/ssl/certs/ca-certificates.crt"
print(bool(ssl.create_default_context().get_ca_certs()) or not os.path.exists(bundle))
"""
    assert python(sandbox.Cage(level=namespaced, network=True), code) == "app 127.0.0.1\nTrue\n"
