"""Ask a page, once."""

from __future__ import annotations


def answers(url: str, timeout: float) -> tuple[int, str]:
    """Give status and reason of a GET; (0, reason) when nobody answers within `timeout` seconds."""
    import urllib.error  # noqa: PLC0415 - 45 ms, for releases with an HTTP check only
    import urllib.request  # noqa: PLC0415

    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - a URL that the target made
            return int(answer.status), str(answer.reason)
    except urllib.error.HTTPError as error:
        return int(error.code), str(error.reason)
    except OSError as error:
        return 0, str(error.args[-1] if error.args else error)
