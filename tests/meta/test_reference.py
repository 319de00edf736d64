"""docs/api.md is what the code says."""

from pathlib import Path

from deplite_apiserver.app import reference
from deplite_apiserver.reference.markdown import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_the_page_of_the_api_is_not_stale() -> None:
    assert PAGE.read_text() == markdown(reference()), "run `make api-docs`"
