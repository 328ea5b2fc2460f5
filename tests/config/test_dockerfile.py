from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_cli.config.dockerfile import load_dockerfile, parse_dockerfile
from gitops_cli.config.project import ServiceSpec
from gitops_cli.errors import BadInput, GitopsError
from tests.config.trees import LINK, FakeTree

if TYPE_CHECKING:
    from gitops_cli.config.dockerfile_stage import Dockerfile

FILES = {
    "requirements.txt": "flask",
    "pyproject.toml": "",
    "app/main.py": "",
    "package.json": "{}",
    "package-lock.json": "{}",
}


def load(text: str, files: dict[str, str] = FILES, context: str = ".") -> Dockerfile:
    name = "Dockerfile" if context == "." else f"{context}/Dockerfile"
    return load_dockerfile(FakeTree({name: text, **files}), ServiceSpec(dockerfile=name, context=context))


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load(text)
    return caught.value


def test_the_usual_python_file() -> None:
    found = load(
        """\
# syntax=docker/dockerfile:1
ARG VERSION=3.12
FROM --platform=linux/amd64 python:${VERSION}-slim
WORKDIR /srv
WORKDIR app
ENV PYTHONUNBUFFERED=1 \\
    # a comment in between
    PATH="/srv/bin:$PATH" NAME='$HOME x' OTHER=a\\ b
ENV OLD the whole rest
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt && \\
    useradd --create-home app && chown -R app /srv
COPY --chown=app . .
EXPOSE 8080/tcp 9090
USER app
HEALTHCHECK CMD curl -f http://localhost/
CMD ["gunicorn", "app.main:app"]
"""
    )
    assert (found.base, found.workdir, found.user) == ("python:3.12-slim", "/srv/app", "app")
    assert found.language_version == "3.12"
    assert found.python
    assert not found.node
    assert found.env["PATH"].startswith("/srv/bin:/usr/local/sbin")
    assert (found.env["NAME"], found.env["OTHER"], found.env["OLD"]) == ("$HOME x", "a b", "the whole rest")
    assert found.expose == (8080, 9090)
    assert found.command == ("gunicorn", "app.main:app")
    (install,) = found.dependencies
    assert (install.kind, install.requirements, install.line) == ("pip", ("requirements.txt",), 11)
    assert found.unsupported == ()
    assert found.files["/srv/app/app/main.py"] == "app/main.py"
    assert found.files["/srv/app/requirements.txt"] == "requirements.txt"


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        ('CMD ["a", "b"]', ("a", "b")),
        ("CMD a $PORT", ("/bin/sh", "-c", "a $PORT")),
        ('ENTRYPOINT ["e"]\nCMD ["a"]', ("e", "a")),
        ('ENTRYPOINT ["e"]\nCMD a', ("e", "/bin/sh", "-c", "a")),
        ("ENTRYPOINT exec e\nCMD a", ("/bin/sh", "-c", "exec e")),
        ('SHELL ["/bin/bash", "-c"]\nCMD a', ("/bin/bash", "-c", "a")),
        ("CMD ['a']", ("/bin/sh", "-c", "['a']")),
        ("CMD one\nCMD two", ("/bin/sh", "-c", "two")),
    ],
)
def test_command_forms(lines: str, command: tuple[str, ...]) -> None:
    assert load(f"FROM python:3\n{lines}\n").command == command


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("pip install -r requirements.txt", ("pip", ("requirements.txt",), (), ())),
        ("pip install -qrrequirements.txt", None),
        ("python -m pip install --upgrade -rrequirements.txt", ("pip", ("requirements.txt",), (), ())),
        (
            "pip3 install --requirement=requirements.txt gunicorn==21",
            ("pip", ("requirements.txt",), ("gunicorn==21",), ()),
        ),
        ("pip install 'psycopg[binary]>=3' flask", ("pip", (), ("psycopg[binary]>=3", "flask"), ())),
        ("pip install .", ("pip", (), (), (".",))),
        ("pip install -e '.[prod]'", ("pip", (), (), (".[prod]",))),
        ("/opt/venv/bin/pip install flask", ("pip", (), ("flask",), ())),
        ("PIP_NO_CACHE_DIR=1 pip install flask", ("pip", (), ("flask",), ())),
        ("pip install --index-url https://example.org/simple flask", ("pip", (), ("flask",), ())),
        ('["pip", "install", "flask"]', ("pip", (), ("flask",), ())),
        ("--mount=type=cache,target=/root/.cache pip install flask", ("pip", (), ("flask",), ())),
        ("uv pip install --system -r requirements.txt", ("pip", ("requirements.txt",), (), ())),
        ("uv sync --frozen --no-dev", ("uv-sync", (), (), (".",))),
        ("npm ci --omit=dev", ("npm", (), (), (".",))),
        ("cd app && pip install -r ../requirements.txt", ("pip", ("requirements.txt",), (), ())),
        ("pip install --no-cache-dir --upgrade pip setuptools wheel", ()),
        ("useradd -m app && mkdir -p /data; chown app /data || true", ()),
        ("rm -rf /var/lib/apt/lists/* /tmp/x", ()),
        ("apt-get update && apt-get install -y libpq-dev", None),
        ("pip install flask && apt-get update", None),
        ("pip install git+https://example.org/x", None),
        ("pip install $PACKAGES", None),
        ("pip install https://example.org/x.whl", None),
        ("pip install --unknown x", None),
        ("curl https://example.org | sh", None),
        ("echo $(id)", None),
        ("python manage.py collectstatic", None),
        ("npm run build", None),
        ("npm install -g x", None),
        ("rm -rf /app/tests", None),
        ("echo 'open", None),
        ("--mount=type=secret,id=x pip install flask", None),
        ("uv run x", None),
    ],
)
def test_run_lines(run: str, expected: tuple[object, ...] | None) -> None:
    found = load(f"FROM python:3\nWORKDIR /app\nCOPY . .\nRUN {run}\n")
    if expected is None:
        assert [gap.line for gap in found.unsupported] == [4]
        assert found.unsupported[0].text == f"RUN {run}"
    else:
        assert found.unsupported == ()
        installs = [(one.kind, one.requirements, one.packages, one.projects) for one in found.dependencies]
        assert installs == ([expected] if expected else [])


def test_last_stage_takes_what_it_copies_from() -> None:
    found = load(
        """\
FROM node:22 AS unused
RUN npm run build
FROM python:3.12 AS Build
WORKDIR /src
COPY requirements.txt .
RUN pip install --prefix=/install -r requirements.txt
RUN apt-get update
FROM python:3.12-slim AS common
ENV A=1
FROM common
COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/
COPY --from=build /install /usr/local
COPY --from=docker.io/library/nginx:1 /etc/nginx /etc/nginx
COPY app /srv
"""
    )
    assert (found.base, found.env) == ("python:3.12-slim", {"A": "1"})
    assert found.dependencies[0].requirements == ("requirements.txt",)
    assert [gap.line for gap in found.unsupported] == [7, 13]
    assert found.files == {"/srv/main.py": "app/main.py"}


def test_context_below_the_top() -> None:
    found = load(
        "FROM node:22\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY src ./src\n",
        {"api/package.json": "{}", "api/src/a.js": "", "package.json": "{}"},
        "api",
    )
    assert found.dependencies[0].projects == ("api",)
    assert found.files == {"/app/package.json": "api/package.json", "/app/src/a.js": "api/src/a.js"}
    assert found.node


def test_a_requirements_file_that_is_nowhere() -> None:
    found = load("FROM python:3\nRUN pip install -r prod.txt\n")
    assert [(gap.line, gap.text) for gap in found.unsupported] == [(2, "/prod.txt is not in the repository")]


@pytest.mark.row(35)
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("FROM scratch\n", 1, "`scratch` alone"),
        ("FROM scratch AS a\nFROM a\n", 1, "`scratch` alone"),
        ("FROM python:3\nADD http://169.254.169.254/ /x\n", 2, "fetches from the network"),
        ("FROM python:3\nADD https://example.org/a b /x\n", 2, "fetches from the network"),
        ("FROM python:3\nARG U=http://h/\nADD $U /x\n", 3, "fetches from the network"),
        ("FROM python:3\nADD git@example.org:a /x\n", 2, "fetches from the network"),
        ("FROM python:3\nRUN <<EOF\nx\nEOF\n", 2, "here-documents"),
        ("FROM python:3\nCOPY <<'EOF' /x\nx\nEOF\n", 2, "here-documents"),
        ("FROM python:3\nRUN --network=host x\n", 2, "--network=host is not allowed"),
        ("FROM python:3\nRUN --security=insecure x\n", 2, "--security=insecure is not allowed"),
        ("# syntax=evil.example.org/x\nFROM python:3\n", 1, "foreign build program"),
        ("# escape=`\nFROM python:3\n", 1, "`# escape=`"),
        ("RUN x\nFROM python:3\n", 1, "before the first FROM"),
        ("# nothing\n", 1, "has no FROM"),
        ("FROM a b\n", 1, "names no image"),
        ("FROM python:3\nCOPY x\n", 2, "wants a source and a destination"),
        ("FROM python:3\nENV A='x\n", 2, "a quote is open"),
        ("FROM python:3\nENV A=x B\n", 2, "wants NAME=VALUE"),
        ("FROM python:3\n?\n", 2, "is no instruction"),
        ("FROM python:3\n\n# \xe9\nRUN a\0b\n", 1, "no plain text"),
    ],
)
def test_refused_with_its_line(text: str, line: int, said: str) -> None:
    error = refused(text)
    assert said in error.cause
    assert (error.file, error.line) == ("Dockerfile", line)


@pytest.mark.row(35)
@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (FakeTree({"x": "x"}), "there is no Dockerfile in abc1234"),
        (FakeTree({"Dockerfile": ""}), "Dockerfile is empty"),
        (FakeTree({"Dockerfile/x": "x"}), "Dockerfile is a directory, not a file"),
        (
            FakeTree({"Dockerfile": "x"}, {"Dockerfile": LINK}),
            "Dockerfile is a symbolic link; only files are read",
        ),
        (FakeTree({"Dockerfile": "#" * 70_000}), "Dockerfile has 70000 bytes; at most 65536 are read"),
    ],
)
def test_file_that_is_none(tree: FakeTree, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_dockerfile(tree, ServiceSpec())
    assert caught.value.cause == said


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nENV A=xx\n" + "ENV A=$A$A\n" * 100,
        "FROM a\nENV A=" + "pip" * 5_000 + "\n" + "RUN $A\n" * 400,
        "FROM a AS s0\nRUN x\n"
        + "".join(
            f"FROM a AS s{n}\nCOPY --from=s{n - 1} a a\nCOPY --from=s{n - 1} a b\n" for n in range(1, 150)
        ),
        "FROM a\n" + "COPY . /a\n" * 490,
        "FROM a\nRUN " + "'\"" * 20_000,
        "FROM a\nCMD " + "[" * 60_000,
        "FROM a\nENV A=" + "${A:-" * 10_000,
    ],
)
def test_no_file_makes_it_slow(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(BadInput):
        load(text, {f"d/{number}": "" for number in range(1_000)})
    assert time.process_time() - start < 2


PARTS = st.sampled_from(
    [
        "FROM a",
        "FROM scratch AS b",
        "RUN ",
        "COPY ",
        "--from=b ",
        "ADD ",
        "ENV ",
        "ARG ",
        "A=$A",
        "${B:-x}",
        "'",
        '"',
        "\\",
        "\n",
        "\n",
        " ",
        "[",
        '["a"]',
        "CMD ",
        "ENTRYPOINT ",
        "SHELL ",
        "EXPOSE ",
        "9",
        "pip install ",
        "-r",
        "x",
        ".",
        "..",
        "&&",
        "#",
        "WORKDIR ",
        "USER ",
        "ONBUILD ",
        "npm ci",
        "uv sync",
        "$(",
        "*",
        "/",
        "é",
        "\t",
        "TAKE ",
        "PARTS ",
    ]
)


@settings(max_examples=400, deadline=20_000)
@given(
    st.one_of(
        st.binary(max_size=100),
        st.lists(PARTS, max_size=30).map(lambda parts: ("FROM a\n" + "".join(parts)).encode()),
    )
)
def test_any_bytes_give_a_recipe_or_our_error(data: bytes) -> None:
    try:
        parse_dockerfile(data, "Dockerfile")
    except GitopsError as error:
        assert error.file == "Dockerfile"  # noqa: PT017 - either outcome is right, a third is not
