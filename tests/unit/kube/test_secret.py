from typing import Any

from deplite.kube.secret import replacement_body, secret_body, secret_from


def stored() -> dict[str, Any]:
    metadata = {"namespace": "org-a", "name": "s", "uid": "u", "resourceVersion": "7", "annotations": {"a": "b"}}
    return {"metadata": metadata, "type": "example.com/own", "data": {"token": "AAE="}}


def test_data_is_decoded_and_never_shown() -> None:
    secret = secret_from(stored())
    assert secret.data == {"token": b"\x00\x01"}
    assert "AAE=" not in repr(secret)


def test_new_secret_is_opaque() -> None:
    assert secret_body("s", {"token": b"\x00\x01"}, labels={"x": "y"}) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "labels": {"x": "y"}},
        "type": "Opaque",
        "data": {"token": "AAE="},
    }


def test_replacement_keeps_what_it_does_not_know_and_the_version() -> None:
    body = replacement_body(secret_from(stored()), {"token": b"\x00\x01"}, {"x": "y"})
    assert body == stored() | {"metadata": stored()["metadata"] | {"labels": {"x": "y"}}}
