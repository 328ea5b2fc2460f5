"""post-receive: cannot refuse, never runs when the client has gone. It reports, and wakes what follows."""

from __future__ import annotations

from gitops_cli import releases
from gitops_cli.adapters import signals
from gitops_cli.errors import GitopsError
from gitops_cli.hooks import rules
from gitops_cli.hooks.output import Output
from gitops_cli.hooks.pre_receive import follow_parent, home_of_cwd, read_lines


def main(parent: int) -> int:
    """Release what the environments with `release: following` have to follow, while the pusher watches."""
    output = Output()
    try:
        signals.install()
        follow_parent(parent)
        updates = [rules.parse_update(line) for line in read_lines().split(b"\n")[:-1]]
        releases.follow(home_of_cwd(), updates, output)
    except GitopsError as error:
        output.refuses(error)
        return 1
    except OSError as error:
        output.refuses(rules.unusable(error))
        return 1
    finally:
        output.close()
    return 0
