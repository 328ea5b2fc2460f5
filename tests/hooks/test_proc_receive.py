"""proc-receive speaks git's protocol, and refuses the whole push unless it is the one that was validated."""

from __future__ import annotations

import os
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters import seen
from gitops_cli.adapters.home import Home
from gitops_cli.errors import Failed, Refused
from gitops_cli.hooks import proc_receive
from gitops_cli.hooks.output import Output
from gitops_cli.hooks.pktline import PacketStream
from gitops_cli.pipeline.model import RefUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

ZERO, ONE, TWO = "0" * 40, "1" * 40, "2" * 40
MAIN = b"%s %s refs/heads/main" % (ZERO.encode(), ONE.encode())
SIDE = b"%s %s refs/heads/side" % (ZERO.encode(), TWO.encode())


class Git:
    """receive-pack's side of the conversation."""

    def __init__(self) -> None:
        self._read, self._hook_write = os.pipe()
        self._hook_read, self._write = os.pipe()
        self.stream = PacketStream(self._read, self._write)
        self.hook = PacketStream(self._hook_read, self._hook_write)

    def close(self) -> None:
        for descriptor in (self._read, self._hook_write, self._hook_read, self._write):
            os.close(descriptor)


@pytest.fixture
def git() -> Iterator[Git]:
    found = Git()
    yield found
    found.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[RefUpdate], list[str]]]:
    """Releases everything, and writes down what it was asked."""
    asked: list[tuple[list[RefUpdate], list[str]]] = []

    def receive(
        _home: Home, updates: Sequence[RefUpdate], options: Sequence[str], _watch: object
    ) -> Mapping[str, str]:
        asked.append((list(updates), list(options)))
        return {update.name: "" for update in updates}

    stand_in(monkeypatch, receive)
    return asked


def stand_in(monkeypatch: pytest.MonkeyPatch, receive: Callable[..., Mapping[str, str]]) -> None:
    module: Any = types.ModuleType("gitops_cli.releases")
    module.receive = receive
    monkeypatch.setitem(sys.modules, "gitops_cli.releases", module)
    monkeypatch.setattr("gitops_cli.releases", module, raising=False)


def talk(
    git: Git, home: Home, packets: list[bytes], passed: bytes | None, options: list[bytes] | None = None
) -> list[bytes]:
    """Play one push; `passed` is what pre-receive saw."""
    if passed is not None:
        seen.remember(home, os.getppid(), passed)
    offered = b"version=1\0atomic" + (b" push-options" if options is not None else b"")
    answers: list[list[bytes]] = []

    def receive_pack() -> None:
        git.stream.write_list([offered])
        answers.append(git.stream.read_list())
        git.stream.write_list(packets)
        if options is not None:
            git.stream.write_list(options)
        answers.append(git.stream.read_list())

    other = threading.Thread(target=receive_pack)
    other.start()
    proc_receive.serve(git.hook, home, os.getppid(), Output())
    other.join()
    agreed = answers[0][0].partition(b"\0")
    assert agreed[0] == b"version=1"
    assert set(agreed[2].split()) == {b"atomic"} | ({b"push-options"} if options is not None else set())
    return answers[1]


def test_a_push_goes_through(
    git: Git, tmp_path: Path, taken: list[tuple[list[RefUpdate], list[str]]]
) -> None:
    home = Home(tmp_path)
    assert talk(git, home, [MAIN, SIDE], MAIN + b"\n" + SIDE + b"\n", [b"redeploy"]) == [
        b"ok refs/heads/main",
        b"ok refs/heads/side",
    ]
    updates = [RefUpdate("refs/heads/main", ZERO, ONE), RefUpdate("refs/heads/side", ZERO, TWO)]
    assert taken == [(updates, ["redeploy"])]
    assert list(home.pushes.iterdir()) == []


FORGED = b"%s %s refs/heads/a\n%s" % (ZERO.encode(), ONE.encode(), SIDE)


@pytest.mark.row(5, 8)
@pytest.mark.parametrize(
    ("packets", "passed", "said"),
    [
        ([MAIN], MAIN + b"\n" + SIDE + b"\n", b"git refuses a part of this push"),
        ([MAIN, SIDE], MAIN + b"\n", b"git refuses a part of this push"),
        ([MAIN.replace(b"1", b"3")], MAIN + b"\n", b"git refuses a part of this push"),
        ([SIDE, MAIN], MAIN + b"\n" + SIDE + b"\n", b"git refuses a part of this push"),
        ([MAIN], None, b"pre-receive has not seen this push"),
        ([MAIN, MAIN], MAIN + b"\n" + MAIN + b"\n", b"in the push twice"),
        ([FORGED], FORGED + b"\n", b"is not allowed"),
        (
            [MAIN.replace(b"main", b"../../config")],
            MAIN.replace(b"main", b"../../config") + b"\n",
            b"not allowed",
        ),
        ([b"%s %s refs/heads/x" % (ZERO.encode(), ZERO.encode())], None, b"pre-receive has not seen"),
        (
            [MAIN.replace(ONE.encode(), ZERO.encode())],
            MAIN.replace(ONE.encode(), ZERO.encode()) + b"\n",
            b"not exist",
        ),
        ([b"garbage"], b"garbage\n", b"no ref update"),
    ],
)
def test_all_or_nothing(
    git: Git, tmp_path: Path, taken: list[object], packets: list[bytes], *, passed: bytes | None, said: bytes
) -> None:
    answers = talk(git, Home(tmp_path), packets, passed)
    names = [packet.split(b" ", 2)[-1] for packet in packets]
    assert [answer.startswith(b"ng %s " % name) for answer, name in zip(answers, names, strict=True)] == [
        True
    ] * len(names)
    assert all(said in answer for answer in answers)
    assert taken == []


def test_an_option_is_checked_again(git: Git, tmp_path: Path, taken: list[object]) -> None:
    (answer,) = talk(git, Home(tmp_path), [MAIN], MAIN + b"\n", [b"\x1b[31m"])
    assert rb"\x1b[31m" in answer.replace(b"\\\\", b"\\")
    assert b"\x1b" not in answer
    assert taken == []


def test_a_reason_is_cut_to_one_escaped_line(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(*_: object) -> Mapping[str, str]:
        raise Refused("\x1b[31mline\n" * 9000)

    stand_in(monkeypatch, receive)
    answers = talk(git, Home(tmp_path), [MAIN, SIDE], MAIN + b"\n" + SIDE + b"\n")
    for answer in answers:
        reason = answer.split(b" ", 2)[2]
        assert len(reason) <= 1000
        assert reason.decode().isprintable()
    assert answers[0].split(b" ", 2)[2] == answers[1].split(b" ", 2)[2]


def test_a_disk_that_is_full_refuses_each_ref(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(*_: object) -> Mapping[str, str]:
        (tmp_path / "a file").touch()
        (tmp_path / "a file" / "below").touch()
        raise AssertionError

    stand_in(monkeypatch, receive)
    answers = talk(git, Home(tmp_path), [MAIN, SIDE], MAIN + b"\n" + SIDE + b"\n")
    said = (
        b"the remote cannot use " + bytes(tmp_path / "a file" / "below") + b": Not a directory; nothing was"
    )
    assert [answer.startswith(b"ng ") and said in answer for answer in answers] == [True, True]


def test_a_record_serves_one_push(tmp_path: Path) -> None:
    home = Home(tmp_path)
    seen.remember(home, os.getppid(), b"lines\n")
    assert seen.take(home, os.getppid()) == b"lines\n"
    with pytest.raises(Refused, match="has not seen"):
        seen.take(home, os.getppid())
    (home.pushes / "4194305-1").write_bytes(b"of a dead push")  # above the highest pid that Linux gives
    (home.pushes / f"{os.getpid()}-1").write_bytes(b"of somebody with our pid")
    seen.remember(home, os.getppid(), b"")
    assert len(list(home.pushes.iterdir())) == 1


@pytest.mark.row(14)
@pytest.mark.parametrize(
    "stream", [b"", b"00", b"zzzz", b"0002", b"0003", b"fff5" + b"x" * 1000, b"0010short"]
)
def test_garbage_instead_of_packets(stream: bytes) -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, stream)
    os.close(write_fd)
    with pytest.raises(Failed):
        PacketStream(read_fd, -1).read_list()
    os.close(read_fd)
