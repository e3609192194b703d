"""Connections to the warehouse that break at a chosen moment.

To the server it is as if the loading process were killed just then; to the process as if the server
or the network failed.
"""

import select
import socket
import socketserver
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Self
from urllib.parse import urlsplit

from typing_extensions import override


class Severing:
    """A TCP proxy before a PostgreSQL server that can break a connection; a context manager.

    Attributes:
        messages: how many messages of clients came since the last `sever`.
        connections: how many connections were made.
    """

    def __init__(self, url: str) -> None:
        self.messages = 0
        self.connections = 0
        self._lock = Lock()
        self._at: int | None = None
        self._answered = False
        self._for_good = False
        self._do: Callable[[], object] = lambda: None
        self.lead_to(url)

    def __enter__(self) -> Self:
        severing = self

        class Handler(socketserver.BaseRequestHandler):
            @override
            def handle(self) -> None:
                # Whoever was killed has reset its connection.
                with suppress(ConnectionError):
                    severing._relay(self.request)

        self._proxy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._proxy.daemon_threads = True
        Thread(target=self._proxy.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    @property
    def url(self) -> str:
        """The server's address by way of the proxy."""
        user, _, _ = self._server.netloc.rpartition("@")
        port = self._proxy.server_address[1]
        return self._server._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    @property
    def has_severed(self) -> bool:
        """Whether a connection did break."""
        return self._at is not None and self.messages > self._at

    def lead_to(self, url: str) -> None:
        """Lead to another server, as after a restart, and let all connections work."""
        self._server = urlsplit(url)
        self._at = None

    def sever(
        self,
        message: int,
        *,
        answered: bool = False,
        for_good: bool = False,
        do: Callable[[], object] = lambda: None,
    ) -> None:
        """Let connections work, but for the one that sends the message of this number from now on.

        Args:
            message: of the clients' messages the one at which the connection breaks, from 0.
            answered: whether the server still gets it, and does what it says.
            for_good: whether no connection can be made after that.
            do: what else happens at that moment.
        """
        with self._lock:
            self._at, self._answered, self._for_good, self._do = message, answered, for_good, do
            self.messages = 0

    def answer(self, data: bytes) -> bytes:
        """Return what a client gets of what the server sends: all of it, as it is."""
        return data

    def _relay(self, client: socket.socket) -> None:
        self.connections += 1
        if self.has_severed and self._for_good:
            return
        try:
            server = socket.create_connection((self._server.hostname, self._server.port))
        except ConnectionError:
            return
        with server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source, target in ((client, server), (server, client)):
                    if source not in ready:
                        continue
                    data = _receive(source)
                    if not data or (source is client and self._breaks_at(data, server)):
                        return
                    target.sendall(self.answer(data) if source is server else data)

    def _breaks_at(self, message: bytes, server: socket.socket) -> bool:
        """Count a client's message; if it is the one, do what happens then, and return True."""
        with self._lock:
            self.messages += 1
            breaks = self._at is not None and self.messages == self._at + 1
        if not breaks:
            return False
        if self._answered:
            server.sendall(message)
            # The rows of a COPY have no answer; all else is done when there is one.
            if message[:1] != b"d":
                _receive(server)
        self._do()
        return True


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""
