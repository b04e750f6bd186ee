"""How a service hears of registrations: it is called over HTTP, and its caller waits.

POST /work → receive → variant → [queue → work] → 200, or the failure's status
"""

from __future__ import annotations

from functools import partial

from registration.call import PATHS, Call, Reply
from registration.runtime.process import Runtime
from registration.variant import chosen
from registration.work import Worker, WorkError
from sync_impl.variants import VARIANTS
from sync_impl.variants.variant import ServiceTools
from sync_impl.wiring import ServiceWiring


class Receiver:
    """An HTTP server in front of one worker. What was received is done, even if the caller has gone."""

    def __init__(self, wiring: ServiceWiring, runtime: Runtime, worker: Worker) -> None:
        variant, options = chosen(VARIANTS, wiring)
        inbox = partial(runtime.open_inbox, wiring.work.service)
        self._worker = worker
        self._work = variant.in_service(options, ServiceTools(runtime.clock, runtime.luck, worker, inbox))
        self._server = runtime.serve(PATHS["service"], self._hear, wiring.address)

    async def open(self) -> None:
        """Listen; from then on the service can be called."""
        await self._server.open()

    async def close(self) -> None:
        await self._server.close()

    async def _hear(self, call: Call, _entered_ns: int) -> Reply:
        delivery = self._worker.receive(call.registration)
        try:
            await self._work(call, delivery)
        except WorkError as error:
            return Reply(error.status)
        finally:
            # A call comes once: answered with success or failure, it is settled.
            self._worker.settled(call.registration, delivery)
        return Reply(200)
