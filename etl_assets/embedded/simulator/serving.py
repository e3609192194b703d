"""Serves an ASGI application in a thread of this process, with faults on request."""

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Scope

from etl_assets.embedded.ports import LOOPBACK
from etl_assets.embedded.simulator.faults import Call, Faults, Misbehaving


@contextmanager
def served(
    application: ASGIApp,
    faults: Faults,
    calls: list[Call],
    *,
    listen: str = LOOPBACK,
    port: int = 0,
) -> Generator[int]:
    """Serve an application, and yield its port; port 0 takes any free one.

    `faults` apply to its calls, and each call is appended to `calls`.
    """

    def connection(scope: Scope) -> asyncio.Transport:
        """Return the connection of a call."""
        transports = [each.transport for each in server.server_state.connections]
        client = scope["client"]
        return next(each for each in transports if each.get_extra_info("peername") == client)

    with socket.create_server((listen, port)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                Misbehaving(application, faults, calls, connection),
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        try:
            # Inside the `try`: Ctrl-C may come while the thread starts.
            thread.start()
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            if thread.ident:
                thread.join()
