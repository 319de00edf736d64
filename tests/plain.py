"""For HTTP clients that meet no TLS: to read the machine's authorities costs each of them 50 ms of a processor."""

import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""As `verify`; it knows no authority, so whatever comes by https is refused."""
