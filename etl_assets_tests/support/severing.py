"""Connections to the warehouse that break at a chosen moment.

For the server the loading process seems to be killed at that moment. For the process the server or
the network seems to fail.
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
    """A TCP proxy in front of PostgreSQL that can break a connection; a context manager.

    Attributes:
        messages: how many messages clients have sent since the last `sever`.
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
                # A killed client resets its connection.
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
        """The proxy's address for the server's database."""
        user, _, _ = self._server.netloc.rpartition("@")
        port = self._proxy.server_address[1]
        return self._server._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    @property
    def has_severed(self) -> bool:
        """Whether a connection was broken."""
        return self._at is not None and self.messages > self._at

    def lead_to(self, url: str) -> None:
        """Connect to another server from now on, as after a restart, and break no connection."""
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
        """Break the connection that sends the clients' message with this number from now on.

        Args:
            message: the number of the message at which the connection breaks, from 0.
            answered: whether the server still receives the message and acts on it.
            for_good: whether later connections fail too.
            do: a function to call at that moment.
        """
        with self._lock:
            self._at, self._answered, self._for_good, self._do = message, answered, for_good, do
            self.messages = 0

    def answer(self, data: bytes) -> bytes:
        """Return the data that a client gets when the server sends `data`: the same."""
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
        """Count a client's message; if it is the chosen one, act and return True."""
        with self._lock:
            self.messages += 1
            breaks = self._at is not None and self.messages == self._at + 1
        if not breaks:
            return False
        if self._answered:
            server.sendall(message)
            # The rows of a COPY have no answer. Any other message has been executed when its answer
            # arrives.
            if message[:1] != b"d":
                _receive(server)
        self._do()
        return True


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""
