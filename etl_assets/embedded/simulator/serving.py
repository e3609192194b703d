"""Serving an ASGI application in a thread of this process, with faults on request."""

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
    """Let an application answer calls at a port, which is given; 0 for any that is free.

    The faults strike its calls, and `calls` gets them all.
    """

    def connection(scope: Scope) -> asyncio.Transport:
        """Return the connection that a call came by."""
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
            # Ctrl-C may come in the middle of it.
            thread.start()
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            if thread.ident:
                thread.join()
