"""What `init` finds in a folder."""

from __future__ import annotations

import pytest

from gitops_cli.config.tree import MemoryTree
from gitops_cli.scaffold.detect import Found, FoundService, detect, label


def found(**files: str) -> Found:
    return detect(MemoryTree({name: text.encode() for name, text in files.items()}))


def test_a_folder_with_only_a_readme_is_empty() -> None:
    assert detect(MemoryTree({"README.md": b"# shop", "LICENSE": b"", ".gitignore": b""})).empty
    assert not detect(MemoryTree({"app.py": b""})).empty


def test_a_dockerfile_at_the_top_is_the_service_web() -> None:
    (service,) = found(Dockerfile="FROM python:3.13\nexpose 5000\n").services
    assert service == FoundService("web", "Dockerfile", ".", 5000)


@pytest.mark.parametrize(
    ("dockerfile", "port"),
    [
        ("FROM x\nENV PORT=5000\nEXPOSE $PORT\n", 5000),
        ("FROM x\nENV PORT=5000\n", 5000),
        ("FROM x\nENV PORT=web\n", 8080),
        ("FROM y AS build\nEXPOSE 1\nFROM x\nEXPOSE 5000 6000\n", 5000),
        ("EXPOSE ahead of FROM\n", 8080),
    ],
)
def test_the_port_is_what_the_image_exposes_or_its_variable(dockerfile: str, port: int) -> None:
    assert found(Dockerfile=dockerfile).services[0].port == port


def test_each_folder_with_a_dockerfile_is_a_service_called_like_it() -> None:
    tree = MemoryTree(
        {
            "services/Web_API/Dockerfile": b"FROM x",
            "worker/Dockerfile": b"FROM x\nEXPOSE 9000/tcp",
            "a/b/c/Dockerfile": b"",
        }
    )
    assert detect(tree).services == (
        FoundService("worker", "worker/Dockerfile", "worker", 9000),
        FoundService("web-api", "services/Web_API/Dockerfile", "services/Web_API"),
    )


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (
            {"alembic.ini": b"[alembic]\nscript_location = %(here)s/db/alembic\n", "db/alembic/env.py": b""},
            "db/alembic",
        ),
        ({"alembic.ini": b"[alembic]\nscript_location = alembic\n", "alembic/env.py": b""}, "alembic"),
        # Flask-Migrate: the ini lies in the folder and names none
        ({"shop/migrations/alembic.ini": b"[alembic]\n", "shop/migrations/env.py": b""}, "shop/migrations"),
        ({"db/env.py": b"", "db/script.py.mako": b""}, "db"),
        ({"alembic.ini": b"[alembic]\nscript_location = gone\n"}, ""),
        ({"tools/env.py": b""}, ""),
    ],
)
def test_the_alembic_folder_is_found(files: dict[str, bytes], folder: str) -> None:
    assert detect(MemoryTree(files)).migrations == folder


def test_manifests_are_found_by_what_they_are() -> None:
    deployment = b"apiVersion: apps/v1\nkind: Deployment\n"
    assert detect(MemoryTree({"k8s/web.yaml": deployment, "docs/x.yaml": b"kind: Page\n"})).manifests == "k8s"
    assert detect(MemoryTree({".github/x.yaml": deployment, "compose.yaml": deployment})).manifests == ""


@pytest.mark.parametrize(
    ("text", "name"), [("My Shop!", "my-shop"), ("---", "app"), ("a" * 80, "a" * 40), ("Büro_2", "b-ro-2")]
)
def test_names_become_dns_labels(text: str, name: str) -> None:
    assert label(text) == name
