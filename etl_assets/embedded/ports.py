"""Free TCP ports of 127.0.0.1."""

import secrets
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
_LAST_PORT = 65_535
_SERVERS_PORTS = range(20_000, 32_768)
"""Below those that Linux gives to outgoing connections, any of which may take one at any moment."""


def free_ports(count: int) -> list[int]:
    """Return that many different free ports.

    They are free now; who binds them later has to be ready for somebody having been faster.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(_SERVERS_PORTS)
        if port not in ports and are_free([port]):
            ports.append(port)
    return ports


def are_free(ports: list[int]) -> bool:
    """Tell whether all of the ports can be bound."""
    with ExitStack() as stack:
        for port in ports:
            if port > _LAST_PORT:
                return False
            each = stack.enter_context(socket.socket())
            # As the servers do: connections of the last run in TIME_WAIT are in nobody's way.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                each.bind((LOOPBACK, port))
            except OSError:
                return False
    return True
