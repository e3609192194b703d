"""A proxy in front of the object store that simulates a failing store."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etl_assets.embedded.ports import LOOPBACK
from etl_assets.embedded.simulator import Call, Faults
from etl_assets.embedded.simulator.serving import served


@dataclass
class StoreProxy:
    """A running proxy: its faults, the calls that it received, and an action before each call."""

    url: str = ""
    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list[Call])
    before: Callable[[Request], None] = lambda _: None

    def methods(self) -> list[str]:
        """Return the methods of the calls, in order."""
        return [call.method for call in self.calls]


@contextmanager
def proxy_of(store_url: str) -> Generator[StoreProxy]:
    """Start a proxy that forwards requests to the store, byte for byte."""
    proxy = StoreProxy()

    def pass_on(request: Request) -> Response:
        proxy.before(request)
        # The signature covers the path and the Host header, so both are forwarded unchanged.
        target = request.scope["raw_path"].decode()
        if request.url.query:
            target += f"?{request.url.query}"
        store = HTTPConnection(urlsplit(store_url).netloc, timeout=30)
        try:
            store.request(request.method, target, headers=dict(request.headers))
            answer = store.getresponse()
            return Response(answer.read(), answer.status, dict(answer.getheaders()))
        finally:
            store.close()

    application = Starlette(routes=[Route("/{path:path}", pass_on, methods=["GET", "HEAD"])])
    with served(application, proxy.faults, proxy.calls) as port:
        proxy.url = f"http://{LOOPBACK}:{port}"
        yield proxy
