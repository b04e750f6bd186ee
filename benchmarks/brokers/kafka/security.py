"""How a secured cluster is described: environment variables, checked here, before anything is started.

The secrets among them are read by the clients themselves (`event_impl.brokers.security`), from their own environment:
they appear in no settings, on no command line, in no result and in no log.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.brokers.broker import BrokerUnavailable

PREFIX = "BENCH_KAFKA_"
PLAINTEXT = "PLAINTEXT"
PROTOCOLS = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_FILES = ("CAFILE", "CERTFILE", "KEYFILE")
_WAYS = "docs/kafka.md lists the variables that secure a connection."


@dataclass(frozen=True)
class Security:
    """How to connect. `tls` is what a plain socket needs for it; None where the line is not encrypted."""

    protocol: str
    tls: ssl.SSLContext | None

    @property
    def asks_for_a_name(self) -> bool:
        """Whether the cluster answers only those who have logged in."""
        return self.protocol.startswith("SASL")

    def bootstrap(self, addresses: str) -> str:
        """The addresses as the clients want them: with the protocol in front where it is not plaintext."""
        return addresses if self.protocol == PLAINTEXT else f"{self.protocol}://{addresses}"


def security(environment: Mapping[str, str] = os.environ) -> Security:
    """What the environment says. BrokerUnavailable names the variable that is wrong, and never quotes a secret."""

    def given(name: str) -> str:
        return environment.get(PREFIX + name, "")

    protocol = given("SECURITY_PROTOCOL") or PLAINTEXT
    if protocol not in PROTOCOLS:
        raise BrokerUnavailable(
            f"unknown {PREFIX}SECURITY_PROTOCOL {protocol!r}; it can be {', '.join(PROTOCOLS)}", _WAYS
        )
    for name in _FILES:
        if given(name) and not Path(given(name)).is_file():
            raise BrokerUnavailable(f"{PREFIX}{name} names a file that does not exist: {given(name)}", _WAYS)
    if protocol.startswith("SASL"):
        if (mechanism := given("SASL_MECHANISM") or "PLAIN") not in MECHANISMS:
            raise BrokerUnavailable(
                f"unknown {PREFIX}SASL_MECHANISM {mechanism!r}; it can be {', '.join(MECHANISMS)}", _WAYS
            )
        for name in ("USERNAME", "PASSWORD"):
            if not given(name):
                raise BrokerUnavailable(f"{protocol} needs {PREFIX}{name}, which is not set", _WAYS)
    return Security(protocol, _tls(given) if protocol.endswith("SSL") else None)


def _tls(given: Callable[[str], str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=given("CAFILE") or None)
        if given("CERTFILE"):
            context.load_cert_chain(given("CERTFILE"), given("KEYFILE") or None, password=given("KEY_PASSWORD"))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BrokerUnavailable(f"the TLS files of {PREFIX}… cannot be used: {error}", _WAYS) from error
    return context
