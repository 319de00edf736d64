"""The keys that the server signs jobs with: Ed25519, in one Secret of the parts' namespace, each with an id."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deplite.kube.client import KubeClient
from deplite.kube.errors import AlreadyExistsError, ForbiddenError, NotFoundError, UnavailableError
from deplite.kube.secret import Secret
from deplite.protocol.keys import load_private_key, private_pem, public_pem

SECRET_NAME = "deplite-server-keys"  # noqa: S105 - the name of an object
_CURRENT = "current"
REFUSED_SECONDS = 0.5
"""After a refusal: the API server hears of a right some moments after it was granted."""
REFUSALS = 20
"""So many are believed: the right was never granted."""


class ServerKeys:
    """All keys that agents may have pinned; new agents pin the current one."""

    def __init__(self, current: str, keys: dict[str, Ed25519PrivateKey], installation: str) -> None:
        """Hold the keys.

        Args:
            current: the id of the one that new agents pin.
            keys: all, by id.
            installation: the uid of the Secret that they are in: no other installation has it.
        """
        self.current_id, self.installation = current, installation
        self._keys = keys

    def get(self, key_id: str | None) -> Ed25519PrivateKey | None:
        """Return the key that an agent pinned; None where we no longer have it."""
        return self._keys.get(key_id or self.current_id)

    @property
    def current_public_pem(self) -> str:
        """The public key that enrolling agents pin, as SubjectPublicKeyInfo PEM."""
        return public_pem(self._keys[self.current_id].public_key())

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that nobody else has, of the current key: the same for a purpose on every replica."""
        secret = self._keys[self.current_id].private_bytes_raw()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"deplite " + purpose.encode()).derive(secret)


async def load_server_keys(
    kube: KubeClient, namespace: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> ServerKeys:
    """Return the server's keys; the first replica that starts makes them.

    Args:
        kube: the client.
        namespace: the parts' namespace.
        sleep: waits for some seconds.

    Raises:
        KubeError: the Secret can neither be read nor made.
        InvalidKeyError: a key in it is damaged.
    """
    refusals = 0
    while True:
        try:
            if (found := await _find(kube, namespace)) is not None:
                return _read(found)
            await _make(kube, namespace)
        except UnavailableError as error:
            await sleep(error.retry_after)
        except ForbiddenError:
            refusals += 1
            if refusals == REFUSALS:
                raise
            await sleep(REFUSED_SECONDS)


async def _find(kube: KubeClient, namespace: str) -> Secret | None:
    try:
        return await kube.get_secret(namespace, SECRET_NAME)
    except NotFoundError:
        return None


async def _make(kube: KubeClient, namespace: str) -> None:
    key_id = f"k-{secrets.token_hex(4)}"
    data = {f"{key_id}.pem": private_pem(Ed25519PrivateKey.generate()), _CURRENT: key_id.encode()}
    try:
        await kube.create_secret(namespace, SECRET_NAME, data)
    except AlreadyExistsError:
        return  # another replica was first; its keys are read next


def _read(secret: Secret) -> ServerKeys:
    keys = {
        name.removesuffix(".pem"): load_private_key(value)
        for name, value in secret.data.items()
        if name.endswith(".pem")
    }
    return ServerKeys(secret.data[_CURRENT].decode().strip(), keys, secret.uid)
