from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_cli.config.yaml import load_all, load_one
from gitops_cli.errors import BadInput, GitopsError, LimitExceeded


def read(text: str | bytes) -> Any:
    return load_one(text.encode() if isinstance(text, str) else text, "f.yaml").value


def refused(data: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load_all(data, "f.yaml")
    assert caught.value.file == "f.yaml"
    return caught.value


def _levels(first: str, level: str, count: int, width: int) -> bytes:
    lines = [f"a0: &a0 {first}"]
    lines += [
        f"a{number}: &a{number} " + level.replace("X", ",".join([f"*a{number - 1}"] * width))
        for number in range(1, count)
    ]
    return "\n".join(lines).encode()


BOMBS = {
    "brackets": b"[" * 50_000,
    "braces": b"{" * 50_000,
    "dashes": b"- " * 50_000,
    "billion laughs": _levels("[x,x,x,x,x,x,x,x,x,x]", "[X]", 10, 9),
    "laughs within 64 aliases": _levels("[x,x,x,x,x,x,x,x,x,x]", "[X]", 7, 10),
    "merge bomb": _levels("{" + ",".join(f"k{n}: 1" for n in range(1_000)) + "}", "{<<: [X]}", 7, 9),
    "depth by aliases": _levels("[" * 40 + "]" * 40, "[" * 40 + "X" + "]" * 40, 4, 1),
    "documents": b"---\n" * 200_000,
    "scalar": b"a: " + b"x" * 1_000_000,
    "size": b" " * 2_000_000,
}


@pytest.mark.row(23)
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_at_once(name: str) -> None:
    times = []
    for _ in range(3):
        start = time.process_time()
        error = refused(BOMBS[name])
        times.append(time.process_time() - start)
        assert isinstance(error, LimitExceeded)
    assert min(times) <= 0.05


@pytest.mark.row(23)
def test_what_is_just_within_the_limits_passes() -> None:
    assert len(read("[" + "1," * 90_000 + "]")) == 90_000
    assert len(load_all(b"---\na: 1\n" * 500, "f.yaml")) == 500
    assert read("a: &a 1\nb: [" + "*a," * 64 + "]")["b"] == [1] * 64
    assert read("[" * 64 + "]" * 64)
    assert len(read("a: " + "x" * 200_000)["a"]) == 200_000


@pytest.mark.row(24)
def test_duplicate_key_is_refused_with_both_lines() -> None:
    error = refused(b"kind: ConfigMap\nmetadata: {}\nkind: ClusterRoleBinding\n")
    assert error.line == 3
    assert "`kind` stands twice; the first is in line 1" in error.cause
    assert refused(b"a: &a {x: 1}\n<<: *a\n<<: *a\n").line == 3


@pytest.mark.row(25)
@pytest.mark.parametrize(
    "text",
    [
        b'a: 1\nb: !!python/object/apply:os.system ["touch /tmp/owned"]\n',
        b"a: 1\nb: !!python/name:os.system\n",
        b"a: 1\nb: !<tag:yaml.org,2002:python/none> x\n",
        b"a: 1\nb: !custom x\n",
        b"a: 1\nb: !!binary aGk=\n",
        b"a: 1\nb: !!timestamp 2026-01-01\n",
        b"a: 1\nb: !!set {x}\n",
    ],
)
def test_tag_is_refused(text: bytes) -> None:
    error = refused(text)
    assert error.line == 2
    assert "tag" in error.cause


@pytest.mark.row(26)
@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"a:\n\tb: 1\n", 2, "tab"),
        (b"a:\n  \tb: 1\n", 2, "tab"),
        (b"a: 1\nb: \0\n", 2, "U+0000"),
        (b"a: 1\nb: \x1b[2J\n", 2, "U+001B"),
        (b"a: 1\nb: 2\rc: 3\r", 2, "carriage return"),
        (b"a: 1\nb: \xe9\n", 2, "UTF-8"),
        ("a: 1\n# x\u2028kind: y\n".encode(), 2, "U+2028"),
        ("a: 1\nb: \ufeff\n".encode(), 2, "U+FEFF"),
        ("a: 1\n".encode("utf-16"), 1, "UTF-16"),
        ("a: 1\n".encode("utf-16-le"), 1, "U+0000"),
        (b"\xef\xbb\xbfa: 1\n", 1, "byte order mark"),
        (b"a: [1\nb: 2\n", 2, "not valid YAML"),
    ],
)
def test_odd_text_is_refused_with_its_line(data: bytes, line: int, word: str) -> None:
    error = refused(data)
    assert error.line == line
    assert word in error.cause


def test_windows_line_ends_and_tabs_inside_values_pass() -> None:
    assert read(b"a: 1\r\nb: two\r\n") == {"a": 1, "b": "two"}
    assert read("a: |\n  x\ty\n") == {"a": "x\ty\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", False),
        ("on", True),
        ("Yes", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("0644", 420),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-7", -7),
        ("0", 0),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.10", 1.1),
        ("-1.5e-3", -0.0015),
        ("12:30:45", "12:30:45"),
        ("22:22", "22:22"),
        ("2026-01-01", "2026-01-01"),
        ("08", "08"),
        ("1.2.3", "1.2.3"),
        ('"1"', "1"),
        ("'no'", "no"),
        ("!!str 5", "5"),
        ("=", "="),
        ("y", "y"),
        ("-", [None]),
        ("nope", "nope"),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found = read(f"a: {text}\n" if text != "-" else "a:\n- \n")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "a: .inf",
        "a: .nan",
        "a: 1e999",
        "a: " + "9" * 5000,
        "a: 0x" + "f" * 17,
        "a: !!int x",
        "a: !!bool maybe",
        "a: !!str {}",
        "a: !!map []",
        "? [a]\n: 1",
        "on: 1",
        "1: 2",
        "~: 1",
        "a: *b",
        "a: &a [*a]",
        "<<: 5",
        "a: 1\n<<: [1]",
    ],
)
def test_what_json_cannot_hold_is_refused(text: str) -> None:
    assert refused(text.encode()).line >= 1


def test_merge() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nmixed:\n  <<: [*b, *o]\n  x: 5\n"
    document = load_one(text.encode(), "f.yaml")
    assert document.value["mixed"] == {"x": 5, "y": 2, "z": 4}
    assert document.line(("mixed", "x")) == 5
    assert document.line(("mixed", "z")) == 2


def test_lines() -> None:
    text = "# top\nspec:\n  containers:\n    - name: a\n      image: b\n    -\n      image: c\n---\nx: 1\n"
    first, second = load_all(text.encode(), "f.yaml")
    assert first.line() == 2
    assert first.line(("spec", "containers", 0, "image")) == 5
    assert first.line(("spec", "containers", 1, "image")) == 7
    assert first.line(("spec", "containers", 0, "missing")) == 4
    assert first.line(("spec", "containers", 9)) == 3
    assert second.line(("x",)) == 9


def test_load_one() -> None:
    assert read("a: 1") == {"a": 1}
    for text in (b"", b"# only a comment\n", b"---\n", b"a: 1\n---\nb: 1\n"):
        with pytest.raises(BadInput):
            load_one(text, "f.yaml")


WORDS = st.sampled_from(
    [
        "a",
        "b",
        ": ",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "  ",
        "&a ",
        "*a",
        "<<",
        "!!int ",
        "!",
        "!!str ",
        "1",
        "1e3",
        "|",
        ">",
        '"',
        "'",
        "---",
        "...",
        "? ",
        "%YAML 1.1",
        "#",
        "~",
        "\t",
        "\r",
        "no",
        "0x",
        "_",
        ".",
        "é",
        "\x00",
        "@",
        "`",
    ]
)


@settings(max_examples=400, deadline=20_000)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(WORDS, max_size=40).map(lambda parts: "".join(parts).encode())
    )
)
def test_any_bytes_give_a_value_or_our_error(data: bytes) -> None:
    try:
        documents = load_all(data, "f.yaml")
    except GitopsError as error:
        assert error.file == "f.yaml"  # noqa: PT017 - either outcome is right, a third is not
        return
    for document in documents:
        assert document.line() >= 1
        repr(document.value)
