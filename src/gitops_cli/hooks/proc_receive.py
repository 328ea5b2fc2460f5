"""proc-receive: git hands over the ref updates themselves, and the release decides whether they happen."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes, seen, signals
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadRef, Failed, GitopsError
from gitops_cli.hooks import rules
from gitops_cli.hooks.output import Output
from gitops_cli.hooks.pktline import PacketStream
from gitops_cli.hooks.pre_receive import home_of_cwd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.home import Home
    from gitops_cli.pipeline.model import RefUpdate

_REASON = 1000
"""Bytes of an `ng` reason: 65,510 overflow git's own packet, and people read one line."""


def main(parent: int) -> int:
    """Answer receive-pack. Always 0: what was refused is said ref by ref."""
    processes.die_with_parent(
        signal.SIGTERM
    )  # before the version reply: that reply finds a parent that died first
    signals.install()
    output = Output()
    try:
        serve(PacketStream(), home_of_cwd(), parent, output)
    except (GitopsError, OSError) as error:
        output.says(f"gitops: {error}")
        return 1
    finally:
        output.close()
    return 0


def serve(stream: PacketStream, home: Home, parent: int, output: Output) -> None:
    """Speak with receive-pack to the end. Raises `GitopsError` and `OSError` when it does not speak."""
    offered = _handshake(stream)
    packets = stream.read_list()
    options = stream.read_list() if b"push-options" in offered else []
    stream.write_list(_answers(packets, _reasons(home, parent, packets, options, output)))


def _handshake(stream: PacketStream) -> set[bytes]:
    """Agree on version 1 and on what git offers of `push-options` and `atomic`; give what was agreed."""
    first, *_ = [*stream.read_list(), b""]
    version, _, features = first.rstrip(b"\n").partition(b"\0")
    if version != b"version=1":
        raise Failed(f"git speaks {safe(version, 40)} to proc-receive", code="hook.protocol")
    agreed = {b"push-options", b"atomic"} & set(features.split())
    stream.write_list([b"version=1\0" + b" ".join(sorted(agreed))])
    return agreed


def _reasons(
    home: Home, parent: int, packets: Sequence[bytes], raw_options: Sequence[bytes], output: Output
) -> dict[bytes, str]:
    """Release the push; give "" or the reason for the name of each ref."""
    names = [packet.split(b" ", 2)[-1] for packet in packets]
    try:
        passed = seen.take(home, parent)
        updates = [rules.parse_update(packet) for packet in packets]
        _compare(passed, updates)
        options = [option.decode("utf-8", "surrogateescape") for option in raw_options]
        rules.check_options(options)
        from gitops_cli import releases  # noqa: PLC0415 - a push that a rule refuses needs none of it

        told = releases.receive(home, updates, options, output)
    except GitopsError as error:
        return dict.fromkeys(names, error.sentence())
    except OSError as error:
        return dict.fromkeys(names, rules.unusable(error).sentence())
    return {name: told[name.decode("utf-8", "surrogateescape")] for name in names}


def _compare(passed: bytes, updates: Sequence[RefUpdate]) -> None:
    """Refuse all when git kept a ref back, or a newline in a name made two lines of one. Raises `BadRef`."""
    rules.check_updates(updates)
    expected = [rules.parse_update(line) for line in passed.split(b"\n")[:-1]]
    if list(updates) != expected:
        raise BadRef("git refuses a part of this push, so nothing of it is released", code="push.part")


def _answers(packets: Sequence[bytes], reasons: dict[bytes, str]) -> list[bytes]:
    answers = []
    for name in (packet.split(b" ", 2)[-1] for packet in packets):
        reason = reason_line(reasons[name])
        answers.append(b"ng %s %s" % (name, reason) if reason else b"ok %s" % name)
    return answers


def reason_line(reason: str) -> bytes:
    """Give one escaped line of at most 1,000 bytes."""
    line = safe(reason, _REASON).encode("utf-8", "replace")
    return line if len(line) <= _REASON else line[: _REASON - 3].decode("utf-8", "ignore").encode() + b"..."
