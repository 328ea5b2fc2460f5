"""A Dockerfile as a recipe: what it copies, installs and starts. Nothing of it is run here.

A cluster builds it with a builder of its own. A target without containers takes command, environment and
working directory from here, installs the dependencies, and refuses by name whatever stands in `unsupported`.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.config.dockerfile_files import MAX_SOURCES, Copy, image_files, in_tree
from gitops_cli.config.dockerfile_run import Unsupported, understand
from gitops_cli.config.dockerfile_stage import SHELL, Dockerfile, Stage
from gitops_cli.config.dockerfile_text import MAX_BYTES, Instruction, expand, instructions, words
from gitops_cli.config.paths import file_entry
from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from typing import NoReturn

    from gitops_cli.config.project import ServiceSpec
    from gitops_cli.config.tree import Tree

MAX_EXPANDED = 1 << 20
"""Characters of all expanded words of a file."""
_REMOTE = re.compile(r"^([a-z][a-z0-9+.-]*://|git@)", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|tar\.\w+)$")
_UV_IMAGE = re.compile(r"^ghcr\.io/astral-sh/uv([:@]|$)")
_IGNORED = frozenset({"LABEL", "STOPSIGNAL", "MAINTAINER", "HEALTHCHECK", "VOLUME"})


def load_dockerfile(tree: Tree, spec: ServiceSpec) -> Dockerfile:
    """Read the Dockerfile of a service. Raises `BadInput` with file and line."""
    missing = f"there is no {spec.dockerfile} in {tree.label}"
    way = "write it, or correct gitops.yaml, then: gitops validate"
    file_entry(tree, spec.dockerfile, limit=MAX_BYTES, missing=missing, code="dockerfile", way=way)
    parsed = parse_dockerfile(tree.read([spec.dockerfile])[spec.dockerfile], spec.dockerfile)
    files = image_files(parsed.copies, spec.context, tree)
    placed = [in_tree(found, files, spec.context, tree) for found in parsed.dependencies]
    lost = [
        Unsupported(found.line, f"{path} is not in the repository")
        for found in placed
        for path in (*found.requirements, *found.constraints, *found.projects)
        if path.startswith("/")
    ]
    return msgspec.structs.replace(
        parsed, files=files, dependencies=tuple(placed), unsupported=(*parsed.unsupported, *lost)
    )


def parse_dockerfile(data: bytes, file: str) -> Dockerfile:
    """Read a Dockerfile from its bytes. Raises `BadInput` with file and line."""
    reader = _Reader(file)
    for instruction in instructions(data, file):
        try:
            reader.take(instruction)
        except ValueError:
            reader.refuse(
                "cannot be read: a quote is open, or a value is too long", instruction, "dockerfile.words"
            )
    return reader.result()


class _Reader:
    """Follows the instructions through all stages."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.before: dict[str, str] = {}
        """ARG before the first FROM: only FROM sees it, unless a stage asks for it again."""
        self.stages: list[Stage] = []
        self.names: dict[str, Stage] = {}
        self.sources = 0
        self.budget = MAX_EXPANDED
        self.methods = {
            "ADD": self._add,
            "ARG": self._arg,
            "CMD": self._cmd,
            "COPY": self._copy,
            "ENTRYPOINT": self._entrypoint,
            "ENV": self._env,
            "EXPOSE": self._expose,
            "RUN": self._run,
            "SHELL": self._shell,
            "USER": self._user,
            "WORKDIR": self._workdir,
        }

    def words(self, text: str, stage: Stage) -> list[str]:
        return [self.counted(word) for word in words(text, stage.variables())]

    def counted(self, text: str) -> str:
        """Raise `ValueError` when it all grows too long: 500 lines may each name a long value."""
        self.budget -= len(text)
        if self.budget < 0:
            raise ValueError
        return text

    def refuse(self, cause: str, instruction: Instruction, code: str) -> NoReturn:
        raise BadInput(f"{instruction.word} {cause}", code=code, file=self.file, line=instruction.line)

    def take(self, instruction: Instruction) -> None:
        if instruction.word == "FROM":
            self._from(instruction)
        elif not self.stages:
            if instruction.word != "ARG":
                self.refuse("stands before the first FROM", instruction, "dockerfile.from")
            self._argument(instruction, self.before, {})
        elif instruction.word in _IGNORED:
            return
        else:
            self.methods.get(instruction.word, self._cannot)(instruction, self.stages[-1])

    def result(self) -> Dockerfile:
        if not self.stages:
            raise BadInput("has no FROM", code="dockerfile.from", file=self.file, line=1)
        if all(stage.base == "scratch" for stage in self.stages):
            cause = "is built from `scratch` alone, which holds nothing that could run"
            raise BadInput(cause, code="dockerfile.scratch", file=self.file, line=1)
        last = self.stages[-1]
        return Dockerfile(
            file=self.file,
            base=last.base,
            workdir=last.workdir,
            env=last.env,
            copies=tuple(last.copies),
            cmd=last.cmd,
            entrypoint=last.entrypoint,
            expose=tuple(last.expose),
            user=last.user,
            dependencies=tuple(dict.fromkeys(last.dependencies)),
            unsupported=tuple(dict.fromkeys(last.unsupported)),
        )

    def _cannot(self, instruction: Instruction, stage: Stage) -> None:
        text = f"{instruction.word} {instruction.text}"
        stage.unsupported.append(Unsupported(instruction.line, text[:200]))

    def _from(self, instruction: Instruction) -> None:
        parts = [part for part in words(instruction.text, self.before) if not part.startswith("--")]
        if not parts or len(parts) not in {1, 3} or (len(parts) == 3 and parts[1].upper() != "AS"):  # noqa: PLR2004
            self.refuse("names no image", instruction, "dockerfile.from")
        earlier = self.names.get(parts[0].lower())
        stage = earlier.child() if earlier else Stage(parts[0])
        if stage.base == "scratch" and self.stages:
            self._cannot(instruction, stage)
        self.stages.append(stage)
        if len(parts) == 3:  # noqa: PLR2004 - image AS name
            self.names[parts[2].lower()] = stage

    def _argument(self, instruction: Instruction, known: dict[str, str], outer: dict[str, str]) -> None:
        for word in words(instruction.text, known):
            name, equals, value = word.partition("=")
            if equals:
                known[name] = value
            elif name in outer:
                known[name] = outer[name]

    def _arg(self, instruction: Instruction, stage: Stage) -> None:
        self._argument(instruction, stage.arguments, self.before)

    def _env(self, instruction: Instruction, stage: Stage) -> None:
        first = instruction.text.split(None, 1)
        if first and "=" not in first[0]:  # the old form: ENV NAME the whole rest
            stage.env[first[0]] = self.counted(expand(first[1], stage.variables())) if len(first) > 1 else ""
            return
        for word in self.words(instruction.text, stage):
            name, equals, value = word.partition("=")
            if not equals or not name:
                self.refuse("wants NAME=VALUE", instruction, "dockerfile.env")
            stage.env[name] = value

    def _workdir(self, instruction: Instruction, stage: Stage) -> None:
        path = "".join(self.words(instruction.text, stage))
        stage.workdir = _absolute(stage.workdir, path)

    def _user(self, instruction: Instruction, stage: Stage) -> None:
        stage.user = self.counted(expand(instruction.text, stage.variables()))

    def _expose(self, instruction: Instruction, stage: Stage) -> None:
        for word in self.words(instruction.text, stage):
            number = word.partition("/")[0]
            if number.isascii() and number.isdigit() and len(number) < 6:  # noqa: PLR2004 - 65535
                stage.expose.append(int(number))

    def _shell(self, instruction: Instruction, stage: Stage) -> None:
        listed = _listed(instruction.text)
        if not listed:
            self.refuse("wants a JSON list", instruction, "dockerfile.shell")
        stage.shell = (listed[0], *listed[1:])

    def _cmd(self, instruction: Instruction, stage: Stage) -> None:
        listed = _listed(instruction.text)
        stage.cmd = (*stage.shell, instruction.text) if listed is None else listed

    def _entrypoint(self, instruction: Instruction, stage: Stage) -> None:
        listed = _listed(instruction.text)
        stage.entrypoint = (*stage.shell, instruction.text) if listed is None else listed

    def _add(self, instruction: Instruction, stage: Stage) -> None:
        options, parts = self._parts(instruction, stage)
        for source in parts[:-1]:
            if _REMOTE.match(source):
                cause = (
                    "fetches from the network; fetch it beforehand and commit it, or install it as a package"
                )
                self.refuse(cause, instruction, "dockerfile.add")
        if any(_ARCHIVE.search(source) for source in parts[:-1]):
            self._cannot(instruction, stage)
        else:
            self._take_copy(instruction, stage, options, parts)

    def _copy(self, instruction: Instruction, stage: Stage) -> None:
        options, parts = self._parts(instruction, stage)
        origin = options.pop("--from", "")
        if not origin:
            self._take_copy(instruction, stage, options, parts)
            return
        number = int(origin) if origin.isascii() and origin.isdigit() and len(origin) < 4 else -1  # noqa: PLR2004
        earlier = self.names.get(origin.lower())
        if earlier is None and 0 <= number < len(self.stages) - 1:
            earlier = self.stages[number]
        if earlier is not None and earlier is not stage and (earlier.dependencies or earlier.unsupported):
            stage.dependencies = list(dict.fromkeys([*stage.dependencies, *earlier.dependencies]))
            stage.unsupported = list(dict.fromkeys([*stage.unsupported, *earlier.unsupported]))
        elif not _UV_IMAGE.match(origin):
            self._cannot(instruction, stage)

    def _parts(self, instruction: Instruction, stage: Stage) -> tuple[dict[str, str], list[str]]:
        """Give the options and the paths of COPY or ADD."""
        options: dict[str, str] = {}
        rest = instruction.text
        while match := re.match(r"(--[a-z-]+)(?:=(\S*))?\s+", rest):
            options[match[1]] = self.counted(expand(match[2] or "", stage.variables()))
            rest = rest[match.end() :]
        listed = _listed(rest)
        parts = self.words(rest, stage) if listed is None else list(listed)
        if len(parts) < 2:  # noqa: PLR2004 - a source and a destination
            self.refuse("wants a source and a destination", instruction, "dockerfile.copy")
        return options, parts

    def _take_copy(
        self, instruction: Instruction, stage: Stage, options: dict[str, str], parts: list[str]
    ) -> None:
        *sources, dest = parts
        if options.keys() - {"--chown", "--chmod", "--link"}:
            self._cannot(instruction, stage)
            return
        plain = [posixpath.normpath("/" + source).lstrip("/") or "." for source in sources]
        into = dest.endswith("/") or dest in {".", ".."} or len(sources) > 1
        dest = _absolute(stage.workdir, dest)
        into = into or dest == stage.workdir
        self.sources += len(plain)
        if self.sources > MAX_SOURCES:
            self.refuse(f"is one of more than {MAX_SOURCES} sources", instruction, "dockerfile.limit")
        stage.copies.append(Copy(sources=tuple(plain), dest=dest, into=into, line=instruction.line))

    def _run(self, instruction: Instruction, stage: Stage) -> None:
        rest = instruction.text
        while match := re.match(r"(--[a-z]+)=(\S+)\s+", rest):
            if (match[1], match[2]) in {("--network", "host"), ("--security", "insecure")}:
                self.refuse(f"{match[0].strip()} is not allowed", instruction, "dockerfile.run")
            if match[1] == "--mount" and not re.search(r"(^|,)type=(cache|bind|tmpfs)(,|$)", match[2]):
                self._cannot(instruction, stage)
                return
            rest = rest[match.end() :]
        listed = _listed(rest)
        if listed is not None:
            rest = listed[-1] if listed[:2] == SHELL else " ".join(map(_quoted, listed))
        rest = self.counted(expand(rest, stage.variables(), keep_unknown=True))
        ran = understand(rest, stage.workdir, instruction.line)
        stage.dependencies += ran.installs
        if ran.unsupported:
            self._cannot(instruction, stage)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _absolute(workdir: str, path: str) -> str:
    return "/" + posixpath.normpath("/" + posixpath.join(workdir, path)).lstrip("/")


def _listed(text: str) -> tuple[str, ...] | None:
    """Give the exec form (a JSON list of strings), or None: then Docker takes the text for a shell's."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and all(isinstance(part, str) for part in found):
        return tuple(found)
    return None
