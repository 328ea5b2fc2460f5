"""Ask a page, once."""

from __future__ import annotations

from gitops_cli.errors import Unavailable


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


def page(url: str, timeout: float, limit: int = 1 << 20) -> str:
    """Give status and body of a GET, `200 <html>…`, cut at `limit` bytes. Raises `Unavailable`."""
    import urllib.error  # noqa: PLC0415 - as above
    import urllib.request  # noqa: PLC0415

    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - as above
            return f"{answer.status} {answer.read(limit).decode('utf-8', 'replace')}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}"
    except OSError as error:
        raise Unavailable(f"{url} does not answer ({error})", code="web.no-answer") from error


def show(url: str) -> bool:
    """Open a page in the person's browser; False where there is none."""
    import webbrowser  # noqa: PLC0415 - for one command only

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
