"""TLS in front of the tests' servers, with certificates of the tests' own authority."""

import select
import socket
import ssl
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

import trustme

HOST = "127.0.0.1"

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""The message that a client of PostgreSQL sends before TLS begins."""


@contextmanager
def tls_in_front_of(url: str, authority: trustme.CA, name: str = HOST) -> Generator[str]:
    """Start a server that accepts only TLS, in front of a server of HTTP or PostgreSQL.

    Yield its URL. The certificate is for `name`, and the address is 127.0.0.1.
    """
    behind = urlsplit(url)
    is_postgres = behind.scheme == "postgresql"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    connected: list[socket.socket] = []

    class Handler(BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            if is_postgres:
                assert self.request.recv(8) == _SSL_REQUEST
                self.request.sendall(b"S")
            # Clients that do not trust the certificate, and clients that break off.
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as client:
                connected.append(client)
                with socket.create_connection((behind.hostname, behind.port)) as server:
                    _forward(client, server)

    with ThreadingTCPServer((HOST, 0), Handler) as front:
        port = front.server_address[1]
        user = behind.netloc.rpartition("@")[0]
        netloc = f"{user}@{HOST}:{port}" if user else f"{HOST}:{port}"
        scheme = behind.scheme if is_postgres else "https"
        Thread(target=front.serve_forever, args=(0.02,)).start()
        try:
            yield behind._replace(scheme=scheme, netloc=netloc).geturl()
        finally:
            front.shutdown()
            for client in connected:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


def _forward(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        # `select` does not report bytes that are decrypted already.
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for each in ready:
            data = each.recv(1 << 16)
            if not data:
                return
            (server if each is client else client).sendall(data)
