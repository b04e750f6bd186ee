"""How a client proves who it is to a secured cluster: from the environment, so that no secret is written anywhere.

    bootstrap "SASL_SSL://host:port" ─→ which way;  BENCH_KAFKA_* of this process ─→ with what

A plain `host:port` is a plaintext listener, such as that of a broker of ours, whatever the environment holds.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import TypedDict

_PREFIX = "BENCH_KAFKA_"


class SecurityOptions(TypedDict, total=False):
    """What every client of the library takes."""

    bootstrap_servers: str
    security_protocol: str
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def connection(bootstrap: str, environment: Mapping[str, str] = os.environ) -> SecurityOptions:
    """The library's settings for `[protocol://]host:port[,host:port…]`. OSError: a file of it cannot be read."""
    protocol, _, servers = bootstrap.rpartition("://")
    if not protocol:
        return {"bootstrap_servers": servers}
    made: SecurityOptions = {"bootstrap_servers": servers, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        made["ssl_context"] = _ssl_context(environment)
    if protocol.startswith("SASL"):
        made["sasl_mechanism"] = environment.get(_PREFIX + "SASL_MECHANISM") or "PLAIN"
        made["sasl_plain_username"] = environment[_PREFIX + "USERNAME"]
        made["sasl_plain_password"] = environment[_PREFIX + "PASSWORD"]
    return made


def next_step(connected: SecurityOptions) -> str:
    """What to check where such a connection fails."""
    if "sasl_mechanism" in connected:
        return f"check {_PREFIX}USERNAME, {_PREFIX}PASSWORD and {_PREFIX}SASL_MECHANISM, and the broker's log"
    return "look at the broker's log"


def _ssl_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=environment.get(_PREFIX + "CAFILE") or None)
    if certificate := environment.get(_PREFIX + "CERTFILE"):
        # Never asked for on the terminal: this process has none.
        password = environment.get(_PREFIX + "KEY_PASSWORD", "")
        context.load_cert_chain(certificate, environment.get(_PREFIX + "KEYFILE") or None, password=password)
    return context
