"""How a service hears of registrations: it is called over HTTP, and its caller waits.

POST /work → receive → [queue → work] → 200, or the failure's status
"""

from __future__ import annotations

from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from registration import luck
from registration.http import HttpServer
from registration.process import Link
from registration.registration import Registration
from registration.work import Worker, WorkError


class Receiver:
    """An HTTP server in front of one worker. What was received is done, even if the caller has gone."""

    def __init__(self, link: Link, worker: Worker) -> None:
        self._in_hand = 0
        self._link = link
        self._worker = worker
        app = Starlette(routes=[Route("/work", self._work, methods=["POST"])])
        self._server = HttpServer(app, cast(int, link.settings["port"]))

    @property
    def busy(self) -> int:
        """Calls in hand whose work is not done."""
        return self._in_hand

    async def open(self) -> None:
        """Listen; from then on the service can be called."""
        await self._server.open()

    async def close(self) -> None:
        await self._server.close()

    async def _work(self, request: Request) -> Response:
        registration = Registration.from_json(await request.body(), request.headers.get("traceparent", ""))
        if luck.is_probe(registration.registration_id):
            self._link.send(type="probed")
            return Response(status_code=200)
        self._in_hand += 1
        try:
            delivery = self._worker.receive(registration)
            try:
                await self._worker.perform(registration, delivery)
            except WorkError as error:
                return Response(status_code=error.status)
            except Exception as error:
                # Not the work's failure but the apparatus's, such as a full disk.
                self._link.broken(error)
                raise
            finally:
                # A call comes once: answered with success or failure, it is settled.
                self._worker.settled(registration, delivery)
            return Response(status_code=200)
        finally:
            self._in_hand -= 1
