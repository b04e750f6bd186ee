"""An HTTP server on one port, the same one for the API and for the services that are called directly.

On loopback, but for an API whose load comes from other hosts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registration.address import Address
from registration.call import Answer, Call
from registration.clock import Clock
from registration.runtime.role import GRACEFUL_S, RoleError

BACKLOG = 2048
# Longer than any run: a server that closes idle connections would race with the client's next request.
_KEEP_ALIVE_S = 3600


def listen(address: Address) -> socket.socket:
    """Bind and listen on an IPv4 address. Raises RoleError where the port is taken, or the address is not ours."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise RoleError(f"port {address.port} is taken", "run again: another free port will be chosen") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise RoleError(
                f"{address.host} is not an address of this machine", "name one that is with --load-master"
            ) from error
        raise
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whether a process ends is for the harness to decide, not for Ctrl-C."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpServer:
    """uvicorn with Starlette, inside the running event loop: `POST path` is a call, `GET /ready` says that it is up.

    A call that cannot be read is answered with 422; one whose answer raises, with 500.
    """

    def __init__(self, path: str, answer: Answer, address: Address, clock: Clock) -> None:
        async def called(request: Request) -> Response:
            entered_ns = clock.now_ns()
            try:
                # All of them in one pass: Starlette would search them anew for each header that is asked for.
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
                call = Call.read(await request.body(), headers)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=422)
            reply = await answer(call, entered_ns)
            return Response(reply.body, reply.status, media_type="application/json" if reply.body else None)

        async def ready(_request: Request) -> Response:
            return Response()

        app = Starlette(routes=[Route(path, called, methods=["POST"]), Route("/ready", ready, methods=["GET"])])
        self._listener = listen(address)
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACEFUL_S,
            date_header=False,
            server_header=False,
            proxy_headers=False,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Serve from now on."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
                raise RoleError("the HTTP server ended before it had started")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Stop serving; open connections get a second to finish."""
        self._server.should_exit = True
        if self._serving is not None:
            with suppress(asyncio.CancelledError):
                await self._serving
