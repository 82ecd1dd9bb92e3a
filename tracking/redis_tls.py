"""TLS to Redis: whose certificate is taken, and in which words one is refused.

A certificate must be for the configured name wherever the connection goes: an SSH tunnel begins at 127.0.0.1.
"""

import socket
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import redis

WRONG_NAME = {62, 64}  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
NO_AUTHORITY = {2, 18, 19, 20, 21}  # its codes for a chain that ends at nobody who is trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a certificate is held against: `server_hostname` must be in it, and it must come from an authority of the
    file `ca_path`, or of the system without one.
    """

    server_hostname: str
    ca_path: Path | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """Checks chain and name. Made once a process, as reading the system's authorities takes some 20 ms."""
        return _context(self.ca_path)

    def refused(self, error: ssl.SSLError) -> redis.ConnectionError:
        """The error for people: it names the setting to look at."""
        if not isinstance(error, ssl.SSLCertVerificationError):
            return redis.ConnectionError(f"REDIS_SCHEME: no agreement on TLS ({error.reason or error})")
        reason = error.verify_message.rstrip(".")
        if error.verify_code in WRONG_NAME:
            return redis.ConnectionError(f"REDIS_HOST: the certificate is refused ({reason})")
        if error.verify_code in NO_AUTHORITY:
            trusted = self.ca_path or "this system"
            return redis.ConnectionError(f"REDIS_CA_PATH: no authority of {trusted} made the certificate ({reason})")
        return redis.ConnectionError(f"REDIS_SCHEME: the certificate is refused ({reason})")


def connection_class(tls: Tls) -> type[redis.SSLConnection]:
    """redis-py's own connection would ask for a certificate of the address that it connects to."""

    class Connection(redis.SSLConnection):
        def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
            try:
                return tls.context.wrap_socket(sock, server_hostname=tls.server_hostname)
            except ssl.SSLError as error:
                raise tls.refused(error) from error
            except TimeoutError:
                raise redis.TimeoutError("no answer to TLS: is REDIS_SCHEME right for this port?") from None

    return Connection


@cache
def _context(ca_path: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_path)
