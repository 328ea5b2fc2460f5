"""Certificates of a test cluster and of the proxy before it, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    """Run openssl; its complaint is the error's text."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


def authority(folder: Path, name: str) -> Pair:
    """Make a certificate authority that lives for a week."""
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    openssl(
        "req", "-x509", *_KEY, "-keyout", made.key, "-out", made.certificate, "-days", "7",
        "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    return made


def server(folder: Path, name: str, signer: Pair, names: Sequence[str]) -> Pair:
    """Make a server's certificate for `names`, each as `DNS:localhost` or `IP:127.0.0.1`."""
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    openssl(
        "req", "-x509", "-CA", signer.certificate, "-CAkey", signer.key, *_KEY,
        "-keyout", made.key, "-out", made.certificate, "-days", "7", "-subj", f"/CN={name}",
        "-addext", f"subjectAltName={','.join(names)}", "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth",
    )  # fmt: skip
    return made


def signing_key(path: Path) -> Path:
    """Make the key that signs service account tokens."""
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    return path


def expired(folder: Path, name: str, signer: Pair, names: Sequence[str]) -> Pair:
    """Make a server's certificate that was good for one day in 2020."""
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    request, settings = folder / f"{name}.csr", folder / f"{name}.cnf"
    openssl(
        "req", *_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}",
        "-addext", f"subjectAltName={','.join(names)}",
    )  # fmt: skip
    (folder / f"{name}.index").touch()
    settings.write_text(
        f"[ca]\ndefault_ca = here\n[here]\ndatabase = {folder}/{name}.index\nnew_certs_dir = {folder}\n"
        "rand_serial = yes\ndefault_md = sha256\ncopy_extensions = copy\npolicy = any\n[any]\ncommonName = supplied\n"
    )
    openssl(
        "ca", "-batch", "-notext", "-config", settings, "-cert", signer.certificate, "-keyfile", signer.key,
        "-in", request, "-out", made.certificate, "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
    )  # fmt: skip
    return made
