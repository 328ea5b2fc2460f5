"""The pool of kept connections to one API server, and what a broken one says.

urllib3 costs 0.1 s to import: whoever imports this (`wire`, `client`) is to speak with a cluster.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3 import exceptions

from gitops_cli.adapters.kubernetes import tls
from gitops_cli.adapters.kubernetes.problems import AnswerLost
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

    from gitops_cli.adapters.kubernetes.access import Access

KEPT = 32
"""16 requests in flight, and the watches beside them."""
CONNECT = 5.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Pool:
    """Connections of urllib3, without its own retries and redirects."""

    def __init__(self, inner: HTTPConnectionPool, prefix: str) -> None:
        """`prefix` is the path in the server's URL, if it has one."""
        self.inner = inner
        self.prefix = prefix
        self.name = f"{inner.host}:{inner.port}"

    def send(  # noqa: PLR0913 - the parts of a request, by name
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: dict[str, str],
        timeout: float,
        whole: bool,
    ) -> BaseHTTPResponse:
        """Send one request; `whole` reads the body. Raises what urllib3 raises: wrap it in `told`."""
        return self.inner.urlopen(
            method,
            self.prefix + url,
            body,
            headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=CONNECT, read=timeout),
            preload_content=whole,
            decode_content=False,
        )

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn what urllib3 raises into one sentence. Raises `AnswerLost` and `Unavailable`."""
        try:
            yield
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
            raise Unavailable(
                f"the API server {self.name} cannot be reached ({_short(error)})",
                code="kubernetes.unreachable",
            ) from error
        except exceptions.ProxyError as error:
            raise Unavailable(
                f"the proxy before the API server {self.name} does not answer ({_short(error)})",
                code="kubernetes.unreachable",
            ) from error
        except (exceptions.HTTPError, OSError) as error:
            if refused := tls.refusal(error):
                raise refused from error
            raise AnswerLost(
                f"the API server {self.name} did not answer ({_short(error)})", code="kubernetes.lost"
            ) from error

    def close(self) -> None:
        """Close what is idle."""
        self.inner.close()


def wait_for(answer: BaseHTTPResponse, seconds: float) -> None:
    """Let so much time pass between two pieces of an answer that has begun."""
    socket = getattr(answer.connection, "sock", None)  # None when all of it has come already
    if socket is not None:
        socket.settimeout(seconds)


def pool(access: Access) -> Pool:
    """Make the pool; connects to nothing yet. Raises `Unavailable` when the server's URL cannot be used."""
    try:
        url = urllib3.util.parse_url(access.server)
    except exceptions.LocationParseError:
        url = urllib3.util.Url()
    if url.scheme not in {"http", "https"} or not url.host:
        raise Unavailable("the kubeconfig names no URL of a server", code="kubernetes.access")
    prefix = (url.path or "").rstrip("/")
    if url.scheme == "http":
        if url.host.strip("[]") not in _LOOPBACK:
            raise Unavailable(
                f"{url.host} is to be reached without TLS: anybody between could read the credential",
                code="kubernetes.access",
            )
        return Pool(urllib3.HTTPConnectionPool(url.host, url.port or 80, maxsize=KEPT), prefix)
    options: dict[str, Any] = {
        "maxsize": KEPT,
        "ssl_context": tls.context(access),
        "server_hostname": access.tls_name or None,
        "assert_hostname": access.tls_name or None,
    }
    if access.proxy:
        manager = urllib3.ProxyManager(access.proxy, **options)
        return Pool(manager.connection_from_host(url.host, url.port or 443, "https"), prefix)
    return Pool(urllib3.HTTPSConnectionPool(url.host, url.port or 443, **options), prefix)


def _short(error: BaseException) -> str:
    """Give the reason at the bottom of a chain: `Connection refused`, `timed out`."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        if isinstance(below, (exceptions.ReadTimeoutError, TimeoutError)):
            return "timed out"
        inner = [part for part in below.args if isinstance(part, BaseException)]
        below = inner[0] if inner else below.__cause__ or below.__context__
    return "the connection broke"
