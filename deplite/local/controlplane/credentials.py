"""The secrets of a control plane: made once, kept 0600 in its folder, used on each start again."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deplite.local.layout import write_private

ADMIN = "deplite-admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
"""A user that the API server's own roles know."""
_RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Credentials:
    """Paths of the secrets in a control plane's folder."""

    folder: Path
    port: int
    """Of the kube-apiserver, on the loopback."""

    @property
    def url(self) -> str:
        """Where the Kubernetes API is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def tokens(self) -> Path:
        """The API server's token file."""
        return self.folder / "tokens.csv"

    @property
    def account_key(self) -> Path:
        """Signs the tokens of ServiceAccounts."""
        return self.folder / "service-accounts.key"

    @property
    def certificates(self) -> Path:
        """Where the API server keeps the certificate that it makes for itself."""
        return self.folder / "certificates"

    @property
    def authority(self) -> Path:
        """What verifies the API server; there once it has started."""
        return self.certificates / "apiserver.crt"

    @property
    def admin(self) -> Path:
        """The kubeconfig of the administrator."""
        return self.folder / "admin.kubeconfig"

    @property
    def controller_manager(self) -> Path:
        """The kubeconfig of the controller manager."""
        return self.folder / "controller-manager.kubeconfig"

    def make(self, now: datetime | None = None) -> None:
        """Make what is missing, and write the kubeconfigs anew: folder and port may have changed."""
        self.certificates.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_old_certificate(now or datetime.now(UTC))
        if not self.account_key.exists():
            write_private(self.account_key, _new_key())
        known = self._known_tokens()
        tokens = {name: known.get(name) or secrets.token_urlsafe(32) for name in (ADMIN, CONTROLLER_MANAGER)}
        write_private(
            self.tokens,
            f"{tokens[ADMIN]},{ADMIN},{ADMIN},system:masters\n"
            f"{tokens[CONTROLLER_MANAGER]},{CONTROLLER_MANAGER},{CONTROLLER_MANAGER}\n",
        )
        write_private(self.admin, self._kubeconfig(ADMIN, tokens[ADMIN]))
        write_private(self.controller_manager, self._kubeconfig(CONTROLLER_MANAGER, tokens[CONTROLLER_MANAGER]))

    def admin_token(self) -> str:
        """Return the administrator's token."""
        return self._known_tokens()[ADMIN]

    def _known_tokens(self) -> dict[str, str]:
        if not self.tokens.exists():
            return {}
        rows = (line.split(",") for line in self.tokens.read_text().splitlines())
        return {row[1]: row[0] for row in rows if len(row) >= 3}

    def _kubeconfig(self, user: str, token: str) -> str:
        # JSON is YAML, and needs no YAML library to be written.
        name = "deplite"
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        }
        return json.dumps(config, indent=2) + "\n"

    def _drop_old_certificate(self, now: datetime) -> None:
        """Have the API server make its certificate (valid for a year) anew before it ends: it never does by itself."""
        if not self.authority.exists():
            return
        try:
            ends = x509.load_pem_x509_certificate(self.authority.read_bytes()).not_valid_after_utc
        except ValueError:
            ends = now
        if ends - now < _RENEW_BEFORE:
            self.authority.unlink()
            self.authority.with_suffix(".key").unlink(missing_ok=True)


def _new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        .decode()
    )
