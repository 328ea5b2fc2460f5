"""What events say of pods that are not made or not mounted: only the newest attempt counts."""

from __future__ import annotations

import pytest

from gitops_cli.targets.kubernetes.events import Told
from gitops_cli.targets.kubernetes.stuck import not_made, not_mounted

NO_ACCOUNT = 'error looking up service account shop/default: serviceaccount "default" not found'
NO_MAP = 'MountVolume.SetUp failed for volume "conf": configmap "conf" not found'


def events(*told: tuple[str, int, str]) -> list[Told]:
    """Give events as `told_of` does, the newest first: reason, second, message."""
    found = [Told(reason, text, warning=True, time=f"2026-11-24T04:05:{at:02}Z") for reason, at, text in told]
    return sorted(found, key=lambda one: one.time, reverse=True)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], ""),
        ([("FailedCreate", 3, NO_ACCOUNT)], NO_ACCOUNT),
        ([("FailedCreate", 1, NO_ACCOUNT)], ""),  # of an earlier version
        ([("FailedCreate", 3, NO_ACCOUNT), ("SuccessfulCreate", 4, "Created pod")], ""),
        ([("FailedCreate", 3, NO_ACCOUNT), ("SuccessfulCreate", 3, "Created pod")], ""),
        ([("SuccessfulCreate", 3, "Created pod"), ("FailedCreate", 4, NO_ACCOUNT)], NO_ACCOUNT),
    ],
)
def test_pods_that_are_not_made(told: list[tuple[str, int, str]], why: str) -> None:
    assert not_made(events(*told), "2026-11-24T04:05:02Z") == why


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([("Scheduled", 1, "")], ""),
        ([("FailedMount", 1, NO_MAP)], NO_MAP),
        ([("FailedMount", 1, "timed out")], ""),
        ([("FailedMount", 1, NO_MAP), ("Pulling", 2, "")], ""),
        ([("FailedMount", 1, NO_MAP), ("Pulled", 1, "")], ""),
    ],
)
def test_volumes_that_are_not_mounted(told: list[tuple[str, int, str]], why: str) -> None:
    assert not_mounted(events(*told)) == why
