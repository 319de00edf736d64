"""The running sum of bytes, held against the cache that it follows."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.view import FileView, project
from deplite_apiserver.files.volume import Volume
from tests.unit.apiserver.files.builders import stored_file

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["org-a", "org-b"]),
        st.sampled_from(["x", "y", "z"]),
        st.one_of(st.none(), st.integers(1, 100)),
        st.one_of(st.none(), st.integers(-5, 100)),
        st.booleans(),
    ),
    max_size=30,
)


@given(STEPS)
def test_the_sum_is_that_of_the_files_that_are_there(
    steps: list[tuple[str, str, int | None, int | None, bool]],
) -> None:
    files: Cache[FileView] = Cache(cast(KubeClient, None), StoredFile, project)
    volume = Volume(files)
    for version, (namespace, name, declared, stored, goes) in enumerate(steps, start=1):
        if goes:
            files.forget(namespace, name)
            continue
        status = None if stored is None else {"phase": "Stored", "size": stored}
        files.note(stored_file(name, namespace=namespace, version=version, status=status, size=declared))
    for namespace in ("org-a", "org-b"):
        there = [file for file in files.values() if file.namespace == namespace]
        assert volume.of(namespace) == sum(max(file.size or 0, 0) for file in there)
