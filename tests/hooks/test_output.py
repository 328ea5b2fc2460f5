"""What the pusher reads: escaped, and never a reason to wait."""

from __future__ import annotations

import os
import time

import pytest

from gitops_cli.errors import Refused
from gitops_cli.hooks.output import Output
from gitops_cli.hooks.proc_receive import reason_line

LINE = "x" * 99


def drained(read_fd: int) -> bytes:
    os.set_blocking(read_fd, False)
    found = b""
    while True:
        try:
            piece = os.read(read_fd, 1 << 16)
        except BlockingIOError:
            return found
        if not piece:
            return found
        found += piece


@pytest.mark.row(57)
@pytest.mark.parametrize("reader", ["silent", "gone"])
def test_two_megabytes_to_nobody(reader: str) -> None:
    read_fd, write_fd = os.pipe()
    if reader == "gone":
        os.close(read_fd)
    output = Output(write_fd)
    began = time.monotonic()
    for _ in range(20_000):
        output.says(LINE)
    assert time.monotonic() - began < 60  # a reader that is waited for: for ever
    output.close()
    assert time.monotonic() - began < 60
    os.close(write_fd)


def test_a_reader_that_comes_back_is_told_what_was_dropped() -> None:
    read_fd, write_fd = os.pipe()
    output = Output(write_fd)
    for _ in range(5000):
        output.says(LINE)
    lines = drained(read_fd).splitlines()
    output.says("after")
    output.close()
    while True:
        more = drained(read_fd)
        if not more:
            break
        lines += more.splitlines()
        output.close()
    kept = sum(line == LINE.encode() for line in lines)
    told = [line for line in lines if line.endswith(b"lines were dropped")]
    assert len(told) <= 1
    dropped = int(told[0].split()[1]) if told else 0
    assert kept + dropped >= 4999
    assert lines.count(b"after") == 1 or told
    os.close(read_fd)
    os.close(write_fd)


def test_the_descriptor_of_the_terminal_stays_blocking() -> None:
    """O_NONBLOCK would hold for everybody who shares the pipe."""
    read_fd, write_fd = os.pipe()
    output = Output(write_fd)
    output.says("line")
    output.close()
    assert os.get_blocking(write_fd)
    assert drained(read_fd) == b"line\n"
    os.close(read_fd)
    os.close(write_fd)


@pytest.mark.row(38)
def test_everything_is_escaped_and_cut() -> None:
    read_fd, write_fd = os.pipe()
    output = Output(write_fd)
    evil = "\x1b]0;owned\x07\x1b[2J\r\u202e\udcff" + "x" * 1_000_000
    output.says(evil)
    output.says("one\ntwo")
    output.ends("migrate\x1b", 1.25, evil)
    output.fails("deploy", 0.04, evil)
    output.undoes("migrate", 0.1)
    output.begins("verify")
    output.refuses(Refused(evil, file="a\nb", line=3, also=(evil, "plain")))
    output.close()
    os.close(write_fd)
    lines = drained(read_fd).decode().splitlines()
    os.close(read_fd)
    assert len(lines) == 9
    assert all(line.isprintable() and len(line) <= 500 for line in lines)
    assert lines[1:3] == ["one", "two"]
    assert lines[3].startswith(r"migrate\x1b      1.2 s  \x1b]0;owned\x07")
    assert "undone" in lines[5]
    assert lines[8] == "gitops: also plain"


@pytest.mark.parametrize("text", ["plain", "é" * 2000, "\x1b\n\r" * 1000, "\udcff" * 900, "日本" * 600])
def test_a_reason_is_one_line_of_a_thousand_bytes(text: str) -> None:
    line = reason_line(text)
    assert 0 < len(line) <= 1000
    assert line.decode().isprintable()
