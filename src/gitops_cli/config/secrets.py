"""Secrets in a push are refused: file, line and rule are said, the value never.

The structural rules come first, as scanners miss base64 under `data:` and one-line `{name:, value:}` pairs
(measured with detect-secrets 1.5.0: 5 of 8). They guard against accidents, not against somebody who hides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitops_cli.config.yaml import Document, Path

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS = frozenset({"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "KEY", "DSN", "CREDENTIALS"})
_ENDS = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "SECRETKEY", "PRIVATEKEY", "ACCESSKEY")
_ABOUT = frozenset(
    {"FILE", "PATH", "DIR", "NAME", "TTL", "TIMEOUT", "EXPIRY", "EXPIRES", "AGE", "LENGTH", "SIZE", "COUNT"}
    | {"ALGORITHM", "TYPE", "HEADER", "PREFIX", "REQUIRED"}
)
"""Last words that make a name speak *about* a secret: PASSWORD_FILE, TOKEN_TTL."""
_REFERENCE = re.compile(r"^(?:(?:vault|env|file):\S*|(?:\$\([A-Za-z0-9_.-]+\)|\$\{[A-Za-z0-9_]+\})*)$")

# Each pattern begins with fixed text and repeats within bounds: a value of 256 KiB costs milliseconds.
_TEXTS = (
    (
        "a password in a URL",
        "secret.url",
        re.compile(r"://[^\s/:@\"']{0,200}:(?![$<{*]|%\()[^\s/@\"']{1,200}@"),
    ),
    ("a private key", "secret.pem", re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")),
    (
        "an AWS access key",
        "secret.aws",
        re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ),
    (
        "an access token",
        "secret.token",
        re.compile(
            r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22}|glpat-[A-Za-z0-9_-]{20}"
            r"|xox[abprs]-[A-Za-z0-9-]{10}|sk_live_[A-Za-z0-9]{16})"
        ),
    ),
)
_REMEDY = "keep it in the remote's secrets and name it with `secretKeyRef`"


def names_secret(name: str) -> bool:
    """Say whether a variable's name promises a secret, word by word: `API_KEY` does, `MONKEY` does not."""
    words = [word.upper() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    return any(word in _WORDS or word.endswith(_ENDS) for word in words)


def refuse_secrets(data: bytes, documents: Iterable[Document], file: str) -> None:
    """Refuse a file (comments included) that holds a secret. Raises `BadInput` with line and rule."""
    for document in documents:
        _refuse_objects(document)
    text = data.decode("utf-8", "replace")
    for what, code, pattern in _TEXTS:
        found = pattern.search(text)
        if found is not None:
            _refuse(what, code, file, text.count("\n", 0, found.start()) + 1)
    for document in documents:
        for path, value in _strings(document.value, ()):
            for what, code, pattern in _TEXTS:
                if pattern.search(value):  # written with escapes, so not found in the text
                    _refuse(what, code, file, document.line(path))


def _refuse_objects(document: Document) -> None:
    value = document.value
    if not isinstance(value, dict):
        return
    if value.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if value.get(field):
                _refuse(f"a Secret with `{field}`", "secret.object", document.file, document.line((field,)))
    if value.get("kind") == "ConfigMap" and isinstance(value.get("data"), dict):
        for key, text in value["data"].items():
            if names_secret(key) and _literal(text):
                line = document.line(("data", key))
                _refuse(f"a literal value for `{key}`", "secret.literal", document.file, line)
    for path, name, text in _variables(value, ()):
        if names_secret(name) and _literal(text):
            _refuse(f"a literal value for `{name}`", "secret.literal", document.file, document.line(path))


def _literal(text: object) -> bool:
    return text is not None and not isinstance(text, (dict, list)) and not _REFERENCE.match(str(text))


def _variables(value: Any, path: Path) -> Iterator[tuple[Path, str, object]]:
    """Every `env:` entry with a literal value, wherever it stands: a list of name and value, or a mapping."""
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from _variables(child, (*path, index))
    elif isinstance(value, dict):
        env = value.get("env")
        if isinstance(env, list):
            for index, item in enumerate(env):
                if isinstance(item, dict) and isinstance(item.get("name"), str) and "value" in item:
                    yield (*path, "env", index, "value"), item["name"], item["value"]
        elif isinstance(env, dict):
            for name, text in env.items():
                yield (*path, "env", name), name, text
        for key, child in value.items():
            yield from _variables(child, (*path, key))


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _strings(child, (*path, index))
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _strings(child, (*path, key))


def _refuse(what: str, code: str, file: str, line: int) -> NoReturn:
    raise BadInput(f"holds {what} (rule {code}); {_REMEDY}", code=code, file=file, line=line)
