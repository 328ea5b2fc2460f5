"""Write docs/reference from the code; with --check, fail when it differs or a link leads nowhere."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import codes
import msgspec

from gitops_cli import errors
from gitops_cli.cli.catalogue import leaves
from gitops_cli.cli.groups import root
from gitops_cli.config import project, remote, schema
from gitops_cli.config.project import Project
from gitops_cli.config.remote import RemoteFile

DOCS = Path(__file__).resolve().parent
SOURCE = Path(errors.__file__).parent
NOTICE = "<!-- Written by docs/generate.py from the code; change the code, then: nox -s docs -- --write -->\n"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def command_line() -> str:
    """Give every command as `--help` prints it."""
    parts = [NOTICE, "# The command line\n"]
    parts.append(_block(_help([])))
    for name, _leaf in leaves():
        parts += [f"## gitops {name}\n", _block(_help(name.split()))]
    parts.append(ENVELOPE)
    return "\n".join(parts)


ENVELOPE = """## --json

Every command takes `--json` and then prints one object on standard output, and nothing else, also for errors:

```json
{"ok": true, "command": "status", "version": "0.1.0", "data": {}}
{"ok": false, "command": "status", "version": "0.1.0",
 "error": {"code": "", "stage": "", "cause": "", "file": "", "line": 0, "changed": "", "next": "",
           "also": []}}
```

`code` is stable: [every code](errors.md). `file` and `line` say where, when something written is wrong;
`changed` says what the command changed; `next` is the next command to type; `also` lists what else was wrong.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | refused or failed, for the reason that is printed |
| 2 | the command line is wrong |
| 3 | a bug of gitops; a report is in the file that is named |
| 130 | interrupted |
"""


def _help(words: list[str]) -> str:
    """Ask the command line itself, at a fixed width."""
    command: Any = root()
    context: Any = command.make_context(
        "gitops", [], resilient_parsing=True, terminal_width=100, max_content_width=100
    )
    for word in words:
        command = command.get_command(context, word)
        context = type(context)(
            command, info_name=word, parent=context, terminal_width=100, max_content_width=100
        )
    return str(command.get_help(context)).rstrip()


def _block(text: str) -> str:
    return "```text\n" + "\n".join(line.rstrip() for line in text.splitlines()) + "\n```\n"


def configuration() -> str:
    """Give every field of gitops.yaml and remote.yaml."""
    parts = [
        NOTICE,
        "# The two files\n",
        "`gitops.yaml` is the developers' and lies at the top of the repository: what the app is.",
        "`remote.yaml` is the operator's and lies beside the remote's repository: where it runs, and how.",
        "Unknown and duplicate keys are refused, with file and line. Editors take their JSON Schemas:",
        "[gitops.schema.json](gitops.schema.json) and [remote.schema.json](remote.schema.json).\n",
    ]
    for title, kind in (("gitops.yaml", Project), ("remote.yaml", RemoteFile)):
        parts += [f"## {title}\n", *_tables(msgspec.json.schema(kind), kind.__name__)]
    parts.append(SECRETS)
    return "\n".join(parts)


SECRETS = """## Secrets

Manifests name secrets with `secretKeyRef`; they hold none. The operator's store lies beside `remote.yaml`:
`secrets/NAME/KEY`, one file for each key, mode 0600, or `secrets/ENVIRONMENT/NAME/KEY`, which comes first.
The secret `database` with the keys `url`, `host`, `port`, `user`, `password` and `name` is made by gitops in
every environment that has a database.
"""


def _tables(schema: dict[str, Any], top: str) -> list[str]:
    """Give a table for the top type and one for each type that it refers to, in order."""
    parts, todo, seen = [], [top], set()
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        body = schema["$defs"][name]
        means = _field_docs(name)
        parts += [f"### {name}\n", body.get("description", ""), ""]
        parts += ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
        for key, told in body.get("properties", {}).items():
            text, refers = _type(told)
            todo += refers
            default = "required" if key in body.get("required", ()) else f"`{_json(told.get('default'))}`"
            parts.append(f"| `{key}` | {text} | {default} | {means.get(key, '')} |")
        parts.append("")
    return parts


def _field_docs(name: str) -> dict[str, str]:
    """Give the docstrings under the fields of a class of the two files, by the field's spelling."""
    found = {}
    for module in (project, remote):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.ClassDef) or node.name != name:
                continue
            for line, after in pairwise(node.body):
                if (
                    isinstance(line, ast.AnnAssign)
                    and isinstance(after, ast.Expr)
                    and isinstance(line.target, ast.Name)
                ):
                    words = line.target.id.split("_")
                    doc = " ".join(str(ast.literal_eval(after.value)).split())
                    found[words[0] + "".join(map(str.capitalize, words[1:]))] = doc
    return found


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _type(told: dict[str, Any]) -> tuple[str, list[str]]:
    """Say a JSON Schema type in words, and name the types that it refers to."""
    if "$ref" in told:
        name = told["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})", [name]
    if "anyOf" in told:
        parts = [_type(each) for each in told["anyOf"]]
        return " or ".join(text for text, _ in parts), [name for _, names in parts for name in names]
    if "enum" in told:
        return ", ".join(f"`{value}`" for value in told["enum"]), []
    if told.get("type") == "array":
        text, refers = _type(told.get("items", {}))
        return f"list of {text}", refers
    if told.get("type") == "object" and isinstance(told.get("additionalProperties"), dict):
        text, refers = _type(told["additionalProperties"])
        return f"name to {text}", refers
    return str(told.get("description") or told.get("type", "any")), []


def error_codes() -> str:
    """Give the tree of errors and every code in the source."""
    found = codes.error_codes(SOURCE)
    rows = [
        f"| `{code}` | {', '.join(sorted(told.kinds))} | {_says(told)} |"
        for code, told in sorted(found.items())
    ]
    return "\n".join(
        [
            NOTICE,
            "# Errors\n",
            "Each error is one sentence: stage, place, cause; what was changed; the next command.\n",
            _block(inspect.getdoc(errors) or ""),
            "## Codes\n",
            "A code never changes its meaning; `--json` gives it as `error.code`.",
            "An ellipsis stands for a value.\n",
            "| code | raised as | says |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _says(told: codes.Code) -> str:
    """Give the sentences; of an error that is put together while it runs, what its class is for."""
    classes = {(inspect.getdoc(codes.KINDS[kind]) or "").splitlines()[0] for kind in told.kinds}
    said = [_cell(text) for text in told.says]
    return "<br>".join(sorted(said or classes))


def _cell(text: str) -> str:
    """Write a sentence into a table; in a code span an entity would be shown as it is written."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|").replace("\n", " "))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def project_schema() -> str:
    """Give the JSON Schema of gitops.yaml."""
    return schema.text(schema.project_schema())


def remote_schema() -> str:
    """Give the JSON Schema of remote.yaml."""
    return schema.text(schema.remote_schema())


PAGES = {
    "reference/cli.md": command_line,
    "reference/configuration.md": configuration,
    "reference/errors.md": error_codes,
    "reference/gitops.schema.json": project_schema,
    "reference/remote.schema.json": remote_schema,
}


def broken_links() -> list[str]:
    """Name each link between the documents that leads nowhere; other sites are not asked."""
    said = []
    for page in [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]:
        for target in _LINK.findall(
            re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        ):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = page if not path else page.parent / path
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
                said.append(f"{page.relative_to(DOCS.parent)}: {target} leads nowhere")
    return said


def _anchors(file: Path) -> set[str]:
    heads = _HEADING.findall(file.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def main() -> int:
    """Write the reference, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 when something is out of date"
    )
    check = parser.parse_args().check
    wrong = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            wrong.append(f"docs/{name} is not what the code says; next: nox -s docs -- --write")
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    wrong += broken_links()
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
