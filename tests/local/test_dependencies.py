"""Dependencies come from the service's own files into a cache of their own, once."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
import zipfile

import pytest

from gitops_cli.adapters.git.repo import Repo
from gitops_cli.errors import Failed
from gitops_cli.targets.local import LocalTarget
from gitops_cli.targets.memory import Memory
from tests.local.conftest import APP, Shop

DOCKERFILE = """\
FROM python:3-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
CMD ["python", "-u", "app.py"]
"""
USES = "import sys, greeting\nassert sys.prefix != sys.base_prefix\nprint(greeting.WORD, flush=True)\n" + APP


def wheel(word: str, version: str = "1.0") -> bytes:
    """Make a wheel by hand: no network, no build."""
    info = f"greeting-{version}.dist-info"
    files = {
        "greeting.py": f"WORD = {word!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # the same bytes each time
    return out.getvalue()


def packed(given: dict[str, str]) -> bytes:
    """Make an npm package by hand."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in given.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def files(word: str = "hello") -> dict[str, str | bytes]:
    return {
        "Dockerfile": DOCKERFILE,
        "requirements.txt": "-r more/base.txt\n",
        "more/base.txt": "# the one\n./vendor/greeting-1.0-py3-none-any.whl\n",
        "vendor/greeting-1.0-py3-none-any.whl": wheel(word),
        "app.py": USES,
    }


def prepare(shop: Shop, given: dict[str, str | bytes]) -> str:
    return shop.target.prepare(shop.commit(given), Memory(), shop.watch)


def folders(shop: Shop) -> list[str]:
    return sorted(p.name for p in (shop.home.cache / "deps").iterdir() if p.is_dir())


def test_they_are_installed_once_and_the_application_imports_them(shop: Shop) -> None:
    shop.release(files())
    assert "web.0: hello" in list(shop.target.logs("web", follow=False, lines=10))
    made = folders(shop)
    assert len(made) == 1
    assert prepare(shop, files()) == "web: dependencies from the cache"
    assert prepare(shop, {**files(), "other.txt": "x"}) == "web: dependencies from the cache"
    assert folders(shop) == made


def test_a_change_of_any_file_that_is_read_makes_another(shop: Shop) -> None:
    assert prepare(shop, files()).startswith("web: 1 package installed in ")
    assert prepare(shop, files("good day")).startswith("web: 1 package installed in ")
    assert len(folders(shop)) == 2


def test_what_was_interrupted_is_made_again(shop: Shop) -> None:
    prepare(shop, files())
    place = shop.home.cache / "deps" / folders(shop)[0]
    place.with_name(f"{place.name}.complete").unlink()
    shutil.rmtree(place / "lib")
    assert prepare(shop, files()).startswith("web: 1 package installed")
    assert list(place.glob("lib/*/site-packages/greeting.py"))


def test_two_at_once_install_once(shop: Shop) -> None:
    wanted = shop.commit(files())
    lines: list[str] = []

    def one() -> None:
        with Repo(shop.home.repo) as repo:
            target = LocalTarget(shop.home, "production", repo=repo, level=shop.level)
            lines.append(target.prepare(wanted, Memory(), shop.watch))

    others = [threading.Thread(target=one) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert sorted(line.split(" in ")[0] for line in lines) == [
        "web: 1 package installed",
        "web: dependencies from the cache",
    ]


def test_what_cannot_be_installed_is_refused_with_the_reason_and_leaves_nothing(shop: Shop) -> None:
    bad = {**files(), "more/base.txt": "./vendor/missing-1.0-py3-none-any.whl\n"}
    with pytest.raises(Failed, match=r"the dependencies of web cannot be installed: ERROR: .*missing"):
        prepare(shop, bad)
    assert folders(shop) == []


def test_an_installation_can_write_nothing_else(shop: Shop) -> None:
    """A package that is built runs code of its author."""
    if shop.level.value == "none":
        pytest.skip("no sandbox on this machine")
    setup = (
        "import os, sys\n"
        f"for path in ({str(shop.home.repo)!r}, {str(shop.home.state)!r}):\n"
        "    try: print('SEEN', os.listdir(path)[:9])\n"
        "    except OSError: print('hidden', path)\n"
        "sys.exit('the end of setup.py')\n"
    )
    given = {**files(), "more/base.txt": "./evil\n", "evil/setup.py": setup}
    with pytest.raises(Failed, match="cannot be installed"):
        prepare(shop, given)
    said = "\n".join(shop.watch.lines)
    assert "hidden" in said or "'cache'" in said  # at most the way to what it writes
    assert "'HEAD'" not in said
    assert "'local'" not in said


def test_old_folders_are_pruned_but_none_that_serves(shop: Shop) -> None:
    shop.release(files())
    serving = folders(shop)[0]
    for n in range(7):
        prepare(shop, files(f"word {n}"))
    assert len(folders(shop)) == 8
    shop.target.retire(Memory())
    assert len(folders(shop)) == 6
    assert serving in folders(shop)


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on this machine")
def test_node_modules(shop: Shop) -> None:
    server = (
        "const word = require('word'); const http = require('http');\n"
        "http.createServer((q, a) => a.end(JSON.stringify({version: word.text, pid: process.pid})))"
        ".listen(process.env.PORT, '127.0.0.1');\n"
    )
    package = {"name": "app", "version": "1.0.0", "dependencies": {"word": "file:word-1.0.0.tgz"}}
    shop.release(
        {
            "Dockerfile": "FROM node\nWORKDIR /srv\nCOPY package.json *.tgz ./\nRUN npm install\nCOPY . .\n"
            'CMD ["node", "server.js"]\n',
            "package.json": json.dumps(package),
            "word-1.0.0.tgz": packed(
                {"package.json": '{"name": "word", "version": "1.0.0"}', "index.js": "exports.text = 'hi'"}
            ),
            "server.js": server,
        }
    )
    assert shop.get()["version"] == "hi"
