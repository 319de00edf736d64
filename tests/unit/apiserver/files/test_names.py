"""Names and types of downloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.files.names import download_name, download_type
from tests.unit.apiserver.files.builders import view


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.txt", "a.txt"),
        ("Bericht – Q3.pdf", "Bericht – Q3.pdf"),
        ("보고서.pdf", "보고서.pdf"),
        ("x\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "xgpj.exe"),
        ("a\r\nX: y", "aX: y"),
        (".bashrc", ".bashrc"),
        ("\x00", None),
        ("dir/", None),
        ("..", None),
        (" . ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_has_no_folder_and_nothing_invisible(filename: str | None, name: str | None) -> None:
    file = view(filename=filename)
    assert download_name(file) == (name or file.id)


@given(st.text(max_size=255))
def test_whatever_it_is_called(filename: str) -> None:
    name = download_name(view(filename=filename))
    assert name.strip(" .")
    assert not set(name) & set("/\\\r\n\x00")


@pytest.mark.parametrize(
    "said", ["text/plain", "text/html; charset=utf-8", "application/vnd.a+json", 'multipart/x; a="b c"']
)
def test_a_type_is_told_as_it_was_declared(said: str) -> None:
    assert download_type(view(contentType=said)) == said


@pytest.mark.parametrize("said", [None, "", "html", "text/html\n", "text/html;\r\nX: y", "a/b\x00", "ä/b", "a/b, c/d"])
def test_one_that_is_none_becomes_bytes(said: str | None) -> None:
    assert download_type(view(contentType=said)) == "application/octet-stream"
