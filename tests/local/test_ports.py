"""A port is given once, whoever asks: its process listens only some moments later."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from gitops_cli.targets.local.supervisor import ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ports.Ports, ports.Ports]]:
    """Two supervisors, and twelve ports of this machine that releases of other tests do not use."""
    monkeypatch.setattr(ports, "FIRST", 9100)
    monkeypatch.setattr(ports, "LAST", 9112)
    both = ports.Ports(), ports.Ports()
    yield both
    for one in both:
        one.close()


def test_two_supervisors_never_give_the_same(two: tuple[ports.Ports, ports.Ports]) -> None:
    one, other = two
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 9105))
        taken.listen()
        given = [one.give() for _ in range(5)] + [other.give() for _ in range(4)]
        assert len(set(given)) == 9
        assert 9105 not in given
    one.close()
    assert other.give() not in given[5:]


def test_it_is_said_when_none_is_left(
    two: tuple[ports.Ports, ports.Ports], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "LAST", 9101)
    one, other = two
    assert one.give() == 9100
    with pytest.raises(OSError, match="no free TCP port left"):
        other.give()


def test_only_the_last_ones_stay_claimed(
    two: tuple[ports.Ports, ports.Ports], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "LAST", 9101)
    monkeypatch.setattr(ports, "CLAIMS", 0)
    one, other = two
    assert one.give() == other.give() == 9100
