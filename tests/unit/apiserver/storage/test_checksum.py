"""The two spellings of a sha256."""

import hashlib

import pytest

from deplite_apiserver.storage.checksum import to_base64, to_hex


def test_there_and_back() -> None:
    found = hashlib.sha256(b"hello world").hexdigest()
    assert to_base64(found) == "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="
    assert to_hex(to_base64(found)) == found


@pytest.mark.parametrize("checksum", [None, "", "junk!", "YQ==", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=-2"])
def test_what_is_no_sha256_of_the_whole_is_none(checksum: str | None) -> None:
    assert to_hex(checksum) is None
