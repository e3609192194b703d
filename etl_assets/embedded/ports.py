"""Free TCP ports of 127.0.0.1."""

import secrets
import socket
from contextlib import ExitStack

from etl_assets.errors import EtlError

LOOPBACK = "127.0.0.1"
LAST_PORT = 65_535
_SERVERS_PORTS = range(20_000, 32_768)
"""Below the ports that Linux assigns to outgoing connections, which can take one at any moment."""


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports.

    They are free now. The caller must expect that another process binds one first.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(_SERVERS_PORTS)
        if port not in ports and are_free([port]):
            ports.append(port)
    return ports


def are_free(ports: list[int]) -> bool:
    """Return whether all the ports can be bound."""
    with ExitStack() as stack:
        for port in ports:
            if port > LAST_PORT:
                return False
            try:
                stack.enter_context(_bound(port))
            except OSError:
                return False
    return True


def require_port(port: int) -> None:
    """Check that the port that the user chose can be bound.

    Raises:
        EtlError: it can't be bound; the message says why and what to do.
    """
    try:
        _bound(port).close()
    except PermissionError:
        raise EtlError(
            f"Port {port} is reserved: this user may not listen on it. Choose one from 1024 to "
            f"{LAST_PORT} with --port"
        ) from None
    except OSError:
        raise EtlError(
            f"Port {port} is in use: stop what uses it, or choose another with --port"
        ) from None


def _bound(port: int) -> socket.socket:
    with ExitStack() as stack:
        bound = stack.enter_context(socket.socket())
        # The servers set this too: connections of the last run in TIME_WAIT do not block a port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
        stack.pop_all()
    return bound
