from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_cli.config import schema
from gitops_cli.config.load import load_project, parse_project
from gitops_cli.config.project import Project
from gitops_cli.errors import BadInput, GitopsError, LimitExceeded
from tests.config.trees import GITLINK, LINK, PROJECT, FakeTree


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_project(text.encode())
    return caught.value


def test_defaults_and_plain_folders() -> None:
    project = parse_project(
        b"name: shop\nmanifests: ./k8s/\nmigrations: db//migrations/\nservices: {web: {context: ./}}\n"
    )
    assert isinstance(project, Project)
    assert (project.manifests, project.migrations) == ("k8s", "db/migrations")
    assert (project.services["web"].dockerfile, project.services["web"].context) == ("Dockerfile", ".")
    assert parse_project(PROJECT.encode()).migrations == ""


def test_jobs_and_checks() -> None:
    project = parse_project(
        (
            PROJECT
            + "jobs: {seed: {service: web, command: [a, b], when: before-deploy, timeoutSeconds: 5}}\n"
        ).encode()
        + b"checks: {home: {service: web, http: /}, run: {service: web, command: [x]}}\n"
    )
    assert project.jobs["seed"].command == ("a", "b")
    assert project.jobs["seed"].timeout_seconds == 5
    assert project.checks["home"].http == "/"


@pytest.mark.row(17)
def test_missing_file_names_the_commit() -> None:
    with pytest.raises(BadInput) as caught:
        load_project(FakeTree({"app.py": "x"}))
    assert caught.value.cause == "no gitops.yaml at the top of abc1234"
    assert caught.value.next_command == "gitops init"


@pytest.mark.row(18)
@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (FakeTree({"gitops.yaml/x": "name: a"}), "gitops.yaml is a directory, not a file"),
        (
            FakeTree({"gitops.yaml": "x"}, {"gitops.yaml": LINK}),
            "gitops.yaml is a symbolic link; only files are read",
        ),
        (
            FakeTree({"gitops.yaml": ""}, {"gitops.yaml": GITLINK}),
            "gitops.yaml is a submodule; only files are read",
        ),
        (FakeTree({"gitops.yaml": ""}), "gitops.yaml is empty"),
        (
            FakeTree({"gitops.yaml": "#" * 2_000_000}),
            "gitops.yaml has 2000000 bytes; at most 1048576 are read",
        ),
        (FakeTree({"gitops.yaml": PROJECT.encode("utf-16")}), "is UTF-16; write it as UTF-8"),
        (FakeTree({"gitops.yaml": "\ufeff" + PROJECT}), "starts with a byte order mark; save it without"),
        (FakeTree({"gitops.yaml": "# nothing\n"}), "is empty"),
    ],
)
def test_file_that_is_none(tree: FakeTree, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_project(tree)
    assert caught.value.cause == said
    assert caught.value.file == "gitops.yaml"
    assert len(caught.value.sentence().splitlines()) == 1


@pytest.mark.row(18)
def test_large_file_is_not_read() -> None:
    tree = FakeTree({"gitops.yaml": "#" * 2_000_000})
    with pytest.raises(LimitExceeded):
        load_project(tree)
    assert tree.was_read == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("services: {}\n", 1, "`name` is missing"),
        ("nam: shop\n", 1, "`nam` is not known here; did you mean `name`?"),
        ("name: Shop\n", 1, "`name` must be a DNS label"),
        ("name: 7\n", 1, "`name` must be text, not a whole number; put it in quotes"),
        ("name: shop\nversion: 2\n", 2, "`version` must be one of `1`"),
        ("name: shop\nservices: [web]\n", 2, "`services` must be a mapping, not a list"),
        (PROJECT + "  Web: {}\n", 4, "the name `Web` in `services` must be a DNS label"),
        (
            PROJECT + "  api:\n    dockerfil: x\n",
            5,
            "`services.api.dockerfil` is not known here; did you mean `dockerfile`?",
        ),
        (
            PROJECT + "  api:\n    context: 5\n",
            5,
            "`services.api.context` must be text, not a whole number; put it in quotes",
        ),
        (PROJECT + "  api:\n    context: ../x\n", 5, "`context` must be a path inside the project"),
        (PROJECT + "manifests: /etc\n", 4, "`manifests` must be a path inside the project"),
        (PROJECT + "migrations: .git/x\n", 4, "`migrations` must be a path inside the project"),
        (
            PROJECT + "jobs:\n  a: {service: wbe, command: [x]}\n",
            5,
            "there is no service `wbe`; did you mean `web`?",
        ),
        (PROJECT + "jobs:\n  a: {service: web, command: []}\n", 5, "`command` must not be empty"),
        (
            PROJECT + "jobs:\n  a: {service: web, command: x}\n",
            5,
            "`jobs.a.command` must be a list, not text",
        ),
        (
            PROJECT + "jobs:\n  a: {service: web, command: [x], when: now}\n",
            5,
            "`jobs.a.when` must be one of `after-deploy`, `before-deploy`",
        ),
        (
            PROJECT + "jobs:\n  a: {service: web, command: [x]}\n  b: {servce: web, command: [x]}\n",
            6,
            "`jobs.b.servce` is not known here; did you mean `service`?",
        ),
        (
            PROJECT + "jobs:\n  a:\n    service: web\n    command: [x]\n    timeoutSeconds: 0\n",
            8,
            "`timeoutSeconds` must be 1 to 3600",
        ),
        (PROJECT + "checks:\n  a: {service: web}\n", 5, "a check has either `command` or `http`"),
        (PROJECT + "checks:\n  a: {service: web, http: x}\n", 5, "`http` must be a path, such as /health"),
        ("- name\n", 1, "`the file` must be a mapping, not a list"),
    ],
)
def test_error_has_line_and_hint(text: str, line: int, said: str) -> None:
    error = refused(text)
    assert error.cause == said
    assert (error.file, error.line) == ("gitops.yaml", line)
    assert error.next_command == "mend it, then: gitops validate"


def test_schemas() -> None:
    project = schema.project_schema()
    assert project == schema.project_schema()
    assert schema.text(project) == schema.text(schema.project_schema())
    assert set(project["$defs"]["Project"]["properties"]) == set(Project.__struct_fields__)
    assert project["$defs"]["Project"]["additionalProperties"] is False
    remote = schema.remote_schema()
    assert "sandboxReason" in remote["$defs"]["RemoteFile"]["properties"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["web", "a", "", "x/y", "..", "after-deploy"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*Project.__struct_fields__, "web", "service", "command", "http", "dockerfile", "odd", "A"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=20_000)
@given(VALUES)
def test_any_value_gives_a_project_or_our_error(value: object) -> None:
    text = repr(value).replace("None", "null").replace("True", "true").replace("False", "false")
    try:
        parse_project(text.encode())
    except GitopsError as error:
        assert error.cause  # noqa: PT017 - either outcome is right, a third is not
