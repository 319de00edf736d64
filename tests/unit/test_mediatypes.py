"""Media types by name."""

import pytest

from deplite.mediatypes import media_type


@pytest.mark.parametrize(
    ("name", "found"),
    {
        "dist/report.html": "text/html",
        "app.tar": "application/x-tar",
        "app.tar.gz": "application/gzip",
        "log.txt.xz": "application/x-xz",
        "core.Z": "application/octet-stream",
        "Makefile": "application/octet-stream",
        "": "application/octet-stream",
    }.items(),
)
def test_the_type_of_a_name(name: str, found: str) -> None:
    assert media_type(name) == found
