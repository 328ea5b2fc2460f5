"""Journal files as a crash, a newer version or a bad disk leaves them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import Bug, GitopsError, Unavailable
from gitops_cli.pipeline.records import HEADER, Intent, Note, frame, scan
from tests.pipeline.folder import Play, says_no

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.defpath, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def dead(tmp_path: Path) -> Play:
    """Give a release whose process died in `deploy`."""
    play = Play(tmp_path)
    writer = play.journal.begin(play.release(), ["migrate", "deploy", "publish"])
    for step in play.steps[:2]:
        writer.write(Intent(step.name))
        step.do(writer.told.release, writer.record(step.name))
    return play


def test_a_record_is_length_crc_and_json() -> None:
    body = b'{"kind":"intent","step":"migrate"}'
    assert (
        frame(Intent("migrate")) == len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body
    )


def test_no_text_can_look_like_a_record() -> None:
    hostile = frame(Intent("publish")).decode("latin-1")
    data = frame(Note("deploy", {"name": hostile}))
    assert b"\0" not in data[8:]
    found = scan(HEADER + frame(Intent("deploy")) + data[:-1])
    assert (len(found.entries), found.damaged) == (1, False)


@pytest.mark.row(60, 61)
@pytest.mark.parametrize(
    "tail",
    [
        b"\0",
        bytes(8),
        bytes(5000),
        b"\0\0\0\x05\1\2\3\4garbage",
        random.Random(1).randbytes(300),
        b"\x7f" * 9,
    ],
)
def test_a_bad_end_is_cut_and_the_release_undone(dead: Play, tail: bytes) -> None:
    (path,) = dead.open_files()
    good = path.read_bytes()
    path.write_bytes(good + tail)
    finished = dead.recover()
    assert finished is not None
    assert finished.outcome == "undone"
    assert dead.content() == {"old"}
    data = (dead.journal.done / path.name).read_bytes()
    assert data.startswith(good)
    assert scan(data).good == len(data)


@pytest.mark.row(61)
@pytest.mark.parametrize("cut", [0, 1, len(HEADER), len(HEADER) + 1, len(HEADER) + 20])
def test_a_release_that_had_not_begun_leaves_nothing(tmp_path: Path, cut: int) -> None:
    play = Play(tmp_path)
    play.journal.begin(play.release())
    (path,) = play.open_files()
    for data in (path.read_bytes()[:cut], bytes(cut), b"\xa5" * cut):
        path.write_bytes(data)
        assert play.journal.open_release() is None
        assert play.recover() is None
        assert play.open_files() == []
    assert play.run().outcome == "released"


@pytest.mark.row(61)
def test_a_missing_journal_is_an_environment_without_releases(tmp_path: Path) -> None:
    play = Play(tmp_path)
    assert play.recover() is None
    assert play.journal.finished() == []
    assert play.journal.next_number() == 1
    assert not play.journal.folder.exists()


def _newer(data: bytes) -> bytes:
    return data.replace(b"gitops-journal 1", b"gitops-journal 2")


def _damaged(data: bytes) -> bytes:
    at = data.index(b'"migrate"', data.index(b"intent"))
    return data[:at] + b"\xff" + data[at + 1 :]


def _unknown(data: bytes) -> bytes:
    body = b'{"kind":"dance"}'
    return data + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


@pytest.mark.row(61)
@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_newer, "journal.newer"), (_damaged, "journal.damaged"), (_unknown, "journal.unknown")],
)
def test_what_cannot_be_understood_is_refused_by_name(dead: Play, spoil: object, code: str) -> None:
    (path,) = dead.open_files()
    assert callable(spoil)
    path.write_bytes(spoil(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(Unavailable) as refused:
        dead.recover()
    assert refused.value.code == code
    assert str(path) in refused.value.cause
    assert path.read_bytes() == before
    assert (dead.world / "database").read_text() == "new"  # nothing was decided


@pytest.mark.row(61)
def test_two_open_journals_are_refused_by_name(dead: Play) -> None:
    (path,) = dead.open_files()
    path.with_name("000002.journal").write_bytes(path.read_bytes())
    with pytest.raises(Unavailable, match=r"000001.journal and 000002.journal"):
        dead.recover()


@pytest.mark.row(61)
def test_steps_of_another_version_are_refused(dead: Play) -> None:
    del dead.steps[1]
    with pytest.raises(Unavailable, match="install the gitops that began this release"):
        dead.recover()


@pytest.fixture
def passable() -> Iterator[Path]:
    """Give a folder that another user can reach, which pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="gitops-journal-"))
    folder.chmod(0o755)
    yield folder
    (folder / "journal").chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.row(61)
def test_a_read_only_folder_is_one_sentence_and_nothing_changes(passable: Path) -> None:
    play = Play(passable)
    play.journal.done.mkdir(parents=True)
    play.journal.folder.chmod(0o555)
    program = (
        "import os, sys; from tests.pipeline import victim\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        f"sys.argv = ['victim', {str(passable)!r}, 'once']; victim.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=ENV, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"cannot write the journal {play.journal.folder}/000001.journal: Permission denied; "
        "nothing was changed"
    )
    assert play.content() == {"old"}


def test_history_is_newest_first_and_survives_a_spoilt_old_file(tmp_path: Path) -> None:
    play = Play(tmp_path)
    for number in range(1, 6):
        play.deploy.after = says_no if number == 3 else lambda: None
        play.run(f"r{number}")
    (play.journal.done / "000002.journal").write_bytes(b"spoilt")
    told = [(found.release.number, found.outcome) for found in play.journal.finished()]
    assert told == [(5, "released"), (4, "released"), (3, "refused"), (1, "released")]
    assert [found.release.number for found in play.journal.finished(2)] == [5, 4]


def test_pruning_keeps_the_newest_and_its_number(tmp_path: Path) -> None:
    play = Play(tmp_path)
    for number in range(1, 6):
        play.run(f"r{number}")
    assert play.journal.prune(2) == 3
    assert [found.release.number for found in play.journal.finished()] == [5, 4]
    assert play.journal.prune(0) == 1
    assert play.journal.next_number() == 6


def test_a_number_is_used_once_and_may_skip(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.run()
    with pytest.raises(Bug):
        play.journal.begin(play.release(number=1))
    play.journal.begin(play.release(number=9))
    assert play.journal.next_number() == 10
    with pytest.raises(Bug):
        play.journal.begin(play.release(number=10))


def test_open_release_and_its_children_are_told_without_a_change(tmp_path: Path) -> None:
    play = Play(tmp_path)
    writer = play.journal.begin(play.release())
    writer.record("migrate").note(child={"pid": 11, "started": 12, "group": 13, "boot": "b"})
    writer.record("migrate").note(child={"pid": 21, "started": 22, "group": 23, "boot": "b"})
    with (play.open_files()[0]).open("ab") as file:
        file.write(b"\0\0torn")
    before = play.open_files()[0].read_bytes()
    assert play.journal.open_release() == play.release(number=1)
    assert [child.pid for child in play.journal.children()] == [11, 21]
    assert play.open_files()[0].read_bytes() == before


def test_every_error_is_one_sentence(dead: Play) -> None:
    (path,) = dead.open_files()
    path.write_bytes(_newer(path.read_bytes()))
    with pytest.raises(GitopsError) as refused:
        dead.journal.open_release()
    assert "\n" not in refused.value.sentence()
