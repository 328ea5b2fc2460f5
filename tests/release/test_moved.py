"""An environment that ran on this machine is bound to a cluster: what is left of it here."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.pipeline.protocol import SILENT

if TYPE_CHECKING:
    from tests.support.site import Site

CLUSTER = """\
    target: {kubernetes: {kubeconfig: "file:kubeconfig", namespace: shop}}
    database: none
"""


def bind(site: Site) -> None:
    """Bind the environment to a cluster that is not there."""
    config = site.home.config
    lines = config.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("    target:", "    database:"))]
    config.write_text("".join(kept).replace("    branch: main", f"{CLUSTER}    branch: main"))


def test_the_same_tree_is_a_release_where_it_does_not_run_yet(fresh: Site) -> None:
    fresh.release()
    bind(fresh)
    fresh.commit("No change")
    pushed = fresh.push()
    assert pushed.code != 0
    assert "nothing to do" not in pushed.text
    assert "there is no such kubeconfig" in pushed.text


def test_what_still_runs_here_is_stopped_by_down(fresh: Site) -> None:
    fresh.release()
    url = next(iter(fresh.urls.values()))
    bind(fresh)
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200
    said = releases.down(fresh.home, SILENT)
    assert "production runs on: it is in a cluster, not on this machine" in said
    assert "what ran of production on this machine before is stopped" in said
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=30)
