"""The documents: the reference is what the code says, links lead somewhere, and the tutorial runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.cli.catalogue import leaves
from gitops_cli.config.dockerfile import parse_dockerfile
from gitops_cli.config.envpy import LINES_TO_PASTE
from gitops_cli.config.tree import MemoryTree
from gitops_cli.hooks.output import Output
from gitops_cli.releases import RELEASE
from gitops_cli.scaffold.advice import dockerfile_notes
from gitops_cli.scaffold.detect import detect

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
_BLOCK = re.compile(r"^```sh( fails)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_reference_is_what_the_code_says_and_links_lead_somewhere() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """The check itself can fail: a copy of the documents with a link that leads nowhere."""
    copy = tmp_path / "docs"
    for path in [*DOCS.rglob("*.md"), *DOCS.glob("*.py"), *TOP.glob("*.md")]:
        target = tmp_path / path.relative_to(TOP)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    with (copy / "index.md").open("a") as page:
        page.write("[gone](how-to/gone.md) [head](tutorial.md#no-such-head)\n")
    done = subprocess.run(
        [sys.executable, str(copy / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "gone.md leads nowhere" in done.stderr
    assert "#no-such-head leads nowhere" in done.stderr


def test_every_code_is_in_the_table_of_errors() -> None:
    """Those that the tests themselves ask for, however they are raised; each row has a class and says something."""
    rows = re.findall(
        r"^\| `([^`]+)` \| (.*?) \| (.*) \|$", (DOCS / "reference/errors.md").read_text(), re.MULTILINE
    )
    codes = {code for code, _, _ in rows}
    assert len(codes) == len(rows) > 200
    assert [code for code, classes, says in rows if not classes.strip() or not says.strip()] == []
    assert [says for _, _, says in rows if re.search(r"`[^`]*&lt;[^`]*`", says)] == []
    words = {code.partition(".")[0] for code in codes}
    asked = {text for text in map(str, _constants(TOP / "tests")) if re.fullmatch(r"[a-z]+\.[a-z-]+", text)}
    files = (".yaml", ".json", ".py", ".lock")
    asked.discard("kubernetes.default")  # a name of the API server
    wanted = {text for text in asked if text.partition(".")[0] in words and not text.endswith(files)}
    wanted.discard("kubernetes.default")  # a server's name
    assert len(wanted) > 40
    assert wanted - codes == set()


def _constants(folder: Path) -> Iterator[object]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant):
                yield node.value


def test_each_command_of_the_catalogue_is_in_the_readme_or_the_reference() -> None:
    text = (DOCS / "reference/cli.md").read_text()
    for name, _leaf in leaves():
        assert f"## gitops {name}\n" in text


def test_the_readme_has_the_two_commands_and_says_that_it_is_alpha() -> None:
    text = (TOP / "README.md").read_text()
    assert "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/gitops demo\n" in text
    assert "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox\n" in text
    assert "**Alpha.**" in text
    assert "## What it is not" in text
    assert "-m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox\n" in (TOP / ".ci/run").read_text()


def test_the_readme_shows_what_a_push_prints(capfd: pytest.CaptureFixture[str]) -> None:
    sample = (TOP / "README.md").read_text().partition("```console\n")[2].partition("```")[0]
    steps = re.findall(r"^remote: ((\w+) +([\d.]+) s  (.*))$", sample, re.MULTILINE)
    assert [name for _, name, _, _ in steps] == [step.name for step in RELEASE]
    output = Output()
    for _, name, seconds, said in steps:
        output.ends(name, float(seconds), said)
    output.close()
    assert capfd.readouterr().err.splitlines() == [line for line, _, _, _ in steps]


def test_how_to_adopt_shows_what_works() -> None:
    """The lines to paste are those of the messages; its Dockerfile is one that the local target runs."""
    text = (DOCS / "how-to/adopt.md").read_text()
    assert f"```python\n{LINES_TO_PASTE}```" in text
    recipe = text.partition("```dockerfile\n")[2].partition("```")[0]
    found = parse_dockerfile(recipe.encode(), "Dockerfile")
    assert not found.unsupported
    (service,) = detect(MemoryTree({"Dockerfile": recipe.encode()})).services
    assert service.port == 8000
    assert dockerfile_notes(MemoryTree({"Dockerfile": recipe.encode()}), [service]) == ()


_SAYS = re.compile(r"(?:^|then: |run |, or )gitops ((?:migrate |remote )?[a-z-]+)")


def test_what_an_error_says_to_type_next_is_a_command() -> None:
    names = {name for name, _leaf in leaves()}
    said = []
    for path in (TOP / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "next_command":
                said += [(path.name, word) for word in _SAYS.findall(_text(node.value))]
    assert len(said) > 30
    assert [(file, word) for file, word in said if word not in names] == []


def test_what_a_hook_says_to_type_next_is_a_command() -> None:
    names = {name for name, _leaf in leaves()}
    hooks = [path.read_text() for path in (TOP / "templates/hooks").iterdir()]
    words = [word for text in hooks for word in re.findall(r"next: gitops ((?:remote )?[a-z]+)", text)]
    assert len(words) == len(hooks) == 4
    assert set(words) <= names


def _text(value: ast.expr) -> str:
    """Give what stands in a literal, also one with braces; a choice of two gives both."""
    parts = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return "".join(part for part in parts if isinstance(part, str))


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Every block of the tutorial in one shell after the other, in its order; one of them must fail."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "gitops"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitops_cli "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PWD": str(tmp_path),
    }
    blocks = _BLOCK.findall((DOCS / "tutorial.md").read_text())
    assert len(blocks) >= 8
    place, said = tmp_path, {}
    try:
        for fails, block in blocks:
            done = subprocess.run(
                ["sh", "-euc", f'{block}\nprintf "\\n::%s" "$PWD"'],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            assert (done.returncode != 0) == bool(fails), done.stdout + done.stderr
            said[block] = done.stdout + done.stderr
            if not fails:
                place = Path(done.stdout.rpartition("::")[2])
    finally:
        subprocess.run([str(command), "down"], cwd=place, env=environment, check=False, capture_output=True)
    everything = "\n".join(said.values())
    assert "http://127.0.0.1:" in everything
    assert "Roll back to release 1" in everything
