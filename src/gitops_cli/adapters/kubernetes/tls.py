"""Whom we trust, the certificate that we show, and why one is refused."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.access import Access

_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
"""X509_V_ERR_* of OpenSSL."""
_SAID = {
    _NOT_YET: "is not valid yet: is a clock wrong?",
    _EXPIRED: "has expired",
    _OTHER_NAME: "is for another name",
    _OTHER_ADDRESS: "is for another address",
}

_ALERT = re.compile(r"ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA)")
"""OpenSSL's names for what the other side says of ours: CERTIFICATE_EXPIRED, UNKNOWN_CA, …"""


def context(access: Access) -> ssl.SSLContext:
    """Make the one TLS context of a client. Raises `Unavailable` when a certificate or key cannot be read."""
    try:
        made = ssl.create_default_context(cadata=access.ca or None)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python 3.13 refuses authorities without a key usage, and clusters make such ones.
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.client_cert:
            _show(made, access.client_cert, access.client_key)
    except (ssl.SSLError, ValueError) as error:
        cause = "a certificate or key of the kubeconfig cannot be read"
        raise Unavailable(cause, code="kubernetes.access") from error
    return made


def _show(made: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load certificate and key. OpenSSL reads them from a path only: this one is memory, gone when closed."""
    descriptor = os.memfd_create("gitops-client-certificate")
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"{certificate.rstrip()}\n{key.rstrip()}\n".encode())
        file.flush()
        made.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")


def refusal(error: BaseException) -> Unavailable | None:
    """Say in one sentence why a certificate is not accepted, theirs or ours; None for another error."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        inner = [part for part in found.args if isinstance(part, BaseException)]
        found = inner[0] if inner else found.__cause__ or found.__context__
    if isinstance(found, ssl.SSLCertVerificationError):
        said = _SAID.get(found.verify_code, "is of an authority that we do not trust (wrong CA)")
        reason = found.verify_message
        return Unavailable(f"the API server's certificate {said} ({reason})", code="kubernetes.certificate")
    alert = _ALERT.search(found.reason or "") if found else None
    if alert:
        said = alert[1].lower().replace("_", " ")
        return Unavailable(
            f"the API server does not accept our client certificate ({said})", code="kubernetes.certificate"
        )
    return None
