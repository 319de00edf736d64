"""The forms in which programs print a secret, made by other means than the product's own."""

import base64
import html
import json
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus

Encoding = Callable[[bytes], bytes]


def base64_core(secret: bytes, shift: int, *, url: bool = False) -> bytes:
    """The characters of an encoding, with that many bytes before, in which every bit is the secret's."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(b"#" * shift + secret + b"#" * 4)
    first = -(-8 * shift // 6)
    last = 8 * (shift + len(secret)) // 6
    return text[first:last]


def printf_q(secret: bytes) -> bytes:
    return subprocess.run(["bash", "-c", 'printf %q "$1"', "-", secret], capture_output=True, check=True).stdout


def traced(secret: bytes) -> bytes:
    """What `set -x` shows of it."""
    run = subprocess.run(["sh", "-c", 'set -x; : "$1"', "-", secret], capture_output=True, check=True)
    return run.stderr.removeprefix(b"+ : ").removesuffix(b"\n")


ENCODINGS: dict[str, Encoding] = {
    "as it is": lambda secret: secret,
    "base64": lambda secret: base64_core(secret, 0),
    "base64 after one byte": lambda secret: base64_core(secret, 1),
    "base64 after two bytes": lambda secret: base64_core(secret, 2),
    "base64 for addresses": lambda secret: base64_core(secret, 0, url=True),
    "base64 for addresses after one byte": lambda secret: base64_core(secret, 1, url=True),
    "base64 for addresses after two bytes": lambda secret: base64_core(secret, 2, url=True),
    "hexadecimal": lambda secret: secret.hex().encode(),
    "hexadecimal in capitals": lambda secret: secret.hex().upper().encode(),
    "percent": lambda secret: quote(secret, safe="").encode(),
    "percent, slashes kept": lambda secret: quote(secret).encode(),
    "a form's field": lambda secret: quote_plus(secret).encode(),
    "JSON": lambda secret: json.dumps(secret.decode(), ensure_ascii=False)[1:-1].encode(),
    "JSON in ASCII": lambda secret: json.dumps(secret.decode())[1:-1].encode(),
    "HTML": lambda secret: html.escape(secret.decode()).encode(),
    "HTML, quotes kept": lambda secret: html.escape(secret.decode(), quote=False).encode(),
    "quoted for a shell": lambda secret: b"'" + secret.replace(b"'", b"'\"'\"'") + b"'",
    "printf %q": printf_q,
    "set -x": traced,
    "SQL": lambda secret: secret.replace(b"'", b"''"),
}
