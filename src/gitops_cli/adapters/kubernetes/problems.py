"""What the API server says when it refuses, one sentence each.

Texts of the server can hold what was pushed: who prints them escapes them, as with every error.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from gitops_cli.adapters.kubernetes.rules import Right
from gitops_cli.errors import Failed, Unavailable

T = TypeVar("T")

_CANNOT = re.compile(
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_MANAGER = re.compile(r'conflict with "(?P<manager>[^"]*)"')


class Cause(msgspec.Struct, frozen=True):
    """One entry of a Status' `details.causes`."""

    field: str = ""
    reason: str = ""
    message: str = ""

    @property
    def manager(self) -> str:
        """The field manager that owns the field, for a conflict of server-side apply; else empty."""
        found = _MANAGER.search(self.message) if self.reason == "FieldManagerConflict" else None
        return found["manager"] if found else ""


class Gone(Exception):
    """A resourceVersion is too old to watch or list from: list again."""


class AnswerLost(Unavailable):
    """The request was sent and no answer came: it may have been done."""

    default_code = "kubernetes.lost"


class ApiProblem(Failed):
    """The API server answered, and the answer is no."""

    default_code = "kubernetes.refused"

    def __init__(
        self, status: int, reason: str, message: str, causes: tuple[Cause, ...] = (), *, subject: str = ""
    ) -> None:
        """Keep the parts of a Status. `subject` is the request as people know it: `PATCH Deployment web`."""
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.subject = subject
        self.repeated = False
        """The same request had been sent before, without an answer that says whether it was done."""
        super().__init__(self._text(), code=self._code())

    @property
    def is_missing(self) -> bool:
        """404: there is no such object, or no such kind."""
        return self.status == 404  # noqa: PLR2004

    @property
    def is_forbidden(self) -> bool:
        """403, by RBAC or by admission (quota, Pod Security, a webhook, a namespace that ends)."""
        return self.status == 403  # noqa: PLR2004

    @property
    def denied(self) -> Right | None:
        """The right that RBAC misses; None when something else refused."""
        found = _CANNOT.search(self.message) if self.is_forbidden else None
        if not found:
            return None
        return Right(found["verb"], found["group"], found["resource"], found["namespace"] or "")

    @property
    def is_exists(self) -> bool:
        """An object of this name is there already."""
        return self.reason == "AlreadyExists"

    @property
    def is_conflict(self) -> bool:
        """409 that is no AlreadyExists: another manager owns a field, or the object changed meanwhile."""
        return self.status == 409 and not self.is_exists  # noqa: PLR2004

    @property
    def is_over_quota(self) -> bool:
        """403: a ResourceQuota has no room for it."""
        return self.is_forbidden and "exceeded quota: " in self.message

    @property
    def conflicts(self) -> tuple[Cause, ...]:
        """The fields that other managers own: each cause has `field` and `manager`."""
        return tuple(cause for cause in self.causes if cause.manager)

    @property
    def is_race(self) -> bool:
        """The object changed between the server's own read and its write: the same again may pass."""
        return self.is_conflict and self.reason == "Conflict" and "has been modified" in self.message

    @property
    def is_invalid(self) -> bool:
        """422: the object cannot be so."""
        return self.status == 422  # noqa: PLR2004

    @property
    def is_terminating(self) -> bool:
        """The namespace is being deleted."""
        return any(cause.reason == "NamespaceTerminating" for cause in self.causes)

    @property
    def denied_sentence(self) -> str:
        """Say verb, kind and the rule to add; empty when it is no matter of RBAC."""
        return self.denied.sentence() if self.denied else ""

    def _text(self) -> str:
        if self.denied:
            return self.denied.sentence()
        if self.status == 401:  # noqa: PLR2004
            return _MEANINGS[401].says
        named = f'"{self.subject.rpartition(" ")[2]}"' in self.message  # the server says it itself
        subject = f"{self.subject}: " if self.subject and not named else ""
        if self.conflicts:
            fields = ", ".join(f"{one.field} belongs to {one.manager}" for one in self.conflicts)
            return f"{subject}{fields}"
        return f"{subject}{self.message or self.reason or 'refused'} ({self.status})"

    def _code(self) -> str:
        if self.denied:
            return _DENIED.code
        if self.is_exists:
            return _EXISTS.code
        meaning = _MEANINGS.get(self.status, _BROKEN if self.status >= 500 else None)  # noqa: PLR2004
        return meaning.code if meaning else self.default_code


class _Meaning(NamedTuple):
    """A code, and what it stands for."""

    says: str
    code: str


_DENIED = _Meaning(
    "the credential may not do it: verb, kind and the rule to add are named", code="kubernetes.right"
)
_EXISTS = _Meaning("an object of this name is there already", code="kubernetes.exists")
_BROKEN = _Meaning("the API server is broken or busy, also after trying again", code="kubernetes.busy")
_MEANINGS = {
    401: _Meaning(
        "the API server does not accept the credential (401): it is wrong, revoked or expired",
        code="kubernetes.credential",
    ),
    403: _Meaning("admission refuses: quota, Pod Security, a webhook", code="kubernetes.admission"),
    404: _Meaning("there is no such object, kind or namespace", code="kubernetes.missing"),
    409: _Meaning(
        "another manager owns a field, or the object changed meanwhile", code="kubernetes.conflict"
    ),
    422: _Meaning("the object cannot be so", code="kubernetes.invalid"),
    429: _BROKEN,
}


class _Details(msgspec.Struct):
    causes: list[Cause] | None = None


class _Status(msgspec.Struct):
    kind: str = ""
    reason: str = ""
    message: str = ""
    details: _Details | None = None


# Decoders are made here, in one thread: msgspec crashes when two meet a type of ours for the first time.
_STATUS = msgspec.json.Decoder(_Status)
OBJECT = msgspec.json.Decoder(dict[str, Any])


def problem_of(status: int, body: bytes, subject: str = "") -> ApiProblem:
    """Read an answer that is no success: a Status, or the text of something in front of the server."""
    try:
        found = _STATUS.decode(body)
    except msgspec.DecodeError:
        text = body[:200].decode("utf-8", "replace").strip()
        return ApiProblem(status, "", text, subject=subject)
    causes = tuple((found.details.causes if found.details else None) or ())
    return ApiProblem(status, found.reason, found.message, causes, subject=subject)


def decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Read an answer. Raises `Unavailable` when it is none of an API server, such as the page of a log-in."""
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            "what answers there is no Kubernetes API server", code="kubernetes.other"
        ) from error


def problem_from(status: dict[str, Any]) -> ApiProblem:
    """Read a Status that came inside a watch."""
    return problem_of(int(status.get("code", 0)), msgspec.json.encode(status))
