"""How a service hears of registrations: it is called over HTTP, and its caller waits.

POST /work → receive → variant → [queue → work] → 200, or the failure's status
"""

from __future__ import annotations

from functools import partial
from typing import cast

from registration import luck
from registration.call import PATHS, Call, Reply
from registration.runtime.http import HOST
from registration.runtime.process import Runtime
from registration.variant import chosen
from registration.work import Worker, WorkError
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import ServiceTools


class Receiver:
    """An HTTP server in front of one worker. What was received is done, even if the caller has gone."""

    def __init__(self, runtime: Runtime, worker: Worker) -> None:
        self._in_hand = 0
        self._runtime = runtime
        self._worker = worker
        variant, options = chosen(VARIANTS, runtime.settings)
        inbox = partial(runtime.open_inbox, worker.settings.service)
        self._work = variant.in_service(options, ServiceTools(runtime.clock, runtime.luck, worker, inbox))
        self._server = runtime.serve(PATHS["service"], self._answer, cast(int, runtime.settings["port"]), HOST)

    @property
    def busy(self) -> int:
        """Calls in hand whose work is not done."""
        return self._in_hand

    async def open(self) -> None:
        """Listen; from then on the service can be called."""
        await self._server.open()

    async def close(self) -> None:
        await self._server.close()

    async def _answer(self, call: Call, _entered_ns: int) -> Reply:
        registration = call.registration
        if luck.is_probe(registration.registration_id):
            self._runtime.send(type="probed")
            return Reply(200)
        self._in_hand += 1
        try:
            delivery = self._worker.receive(registration)
            try:
                await self._work(call, delivery)
            except WorkError as error:
                return Reply(error.status)
            except Exception as error:
                # Not the work's failure but the apparatus's, such as a full disk.
                self._runtime.broken(error)
                raise
            finally:
                # A call comes once: answered with success or failure, it is settled.
                self._worker.settled(registration, delivery)
            return Reply(200)
        finally:
            self._in_hand -= 1
