"""A Kafka-compatible cluster that is not ours, named with `--broker host:port`."""

from __future__ import annotations

import asyncio
import ssl

from benchmarks.brokers.broker import Broker, BrokerInfo, BrokerUnavailable, Untouched
from benchmarks.brokers.kafka.probe import Cluster, NotKafka, ask
from benchmarks.brokers.kafka.security import PLAINTEXT, PREFIX, security

_TIMEOUT_S = 5.0


class ExternalBroker(Untouched):
    """A broker that the harness talks to, and neither stops nor harms."""

    pid: int | None = None

    def __init__(self, info: BrokerInfo) -> None:
        self.info = info

    def trouble(self) -> BrokerUnavailable | None:
        return None

    async def stop(self) -> float | None:
        return None


async def connect(bootstrap: str) -> Broker:
    """Check that a cluster answers at `host:port[,host:port…]`, and that its brokers can be reached from here.

    The environment says how it is secured (`security`). One that asks for a name and a password is only shown to
    exist; the clients log in later. BrokerUnavailable after at most five seconds for each address, saying which kind
    of trouble it is.
    """
    addresses = parse_bootstrap(bootstrap)
    secured = security()
    failures: list[str] = []
    for host, port in addresses:
        try:
            if secured.asks_for_a_name:
                await _reach(host, port, secured.tls)
                cluster = None
            else:
                cluster = await ask(host, port, _TIMEOUT_S, secured.tls)
        except TimeoutError:
            failures.append(f"{host}:{port} gave no answer within {_TIMEOUT_S:.0f} s")
        except NotKafka as error:
            kind = "plaintext" if secured.protocol == PLAINTEXT else secured.protocol
            failures.append(f"{host}:{port} is not a {kind} Kafka listener: {error}")
        except OSError as error:
            failures.append(f"{host}:{port} cannot be reached: {error.strerror or error}")
        else:
            description: dict[str, str | int | float] = {"security_protocol": secured.protocol}
            if cluster is not None:
                await _check_advertised(f"{host}:{port}", cluster, secured.tls)
                description |= {"cluster_id": cluster.cluster_id or "", "brokers": len(cluster.nodes)}
            clients = secured.bootstrap(bootstrap)
            return ExternalBroker(BrokerInfo("kafka", None, clients, ours=False, description=description))
    raise BrokerUnavailable(
        "; ".join(failures),
        f"Check the address, and whether the listener wants TLS or SASL ({PREFIX}SECURITY_PROTOCOL, see docs/kafka.md),"
        " or leave --broker out: bench then starts a Kafka of its own.",
    )


def names_a_secret(bootstrap: str) -> bool:
    """Whether an address carries a name or a password, as in `user:password@host:port`. It must not be repeated."""
    return "@" in bootstrap


def parse_bootstrap(bootstrap: str) -> list[tuple[str, int]]:
    """`host:port[,host:port…]` as pairs; BrokerUnavailable quotes the part that cannot be read."""
    addresses: list[tuple[str, int]] = []
    for part in bootstrap.split(","):
        host, separator, port = part.strip().rpartition(":")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise BrokerUnavailable(
                f"--broker {bootstrap!r}: {part.strip()!r} is not host:port",
                "Give it as in --broker 127.0.0.1:9092, or --broker embedded for the stand-in.",
            )
        addresses.append((host.removeprefix("[").removesuffix("]"), int(port)))
    return addresses


async def _reach(host: str, port: int, tls: ssl.SSLContext | None) -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        _reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    writer.close()


async def _check_advertised(asked: str, cluster: Cluster, tls: ssl.SSLContext | None) -> None:
    """Clients leave the bootstrap address for the advertised ones, which a broker in a container often gets wrong."""
    if not cluster.nodes:
        raise BrokerUnavailable(f"{asked} answers, but no broker of its cluster is up", "Try again when one is.")
    for host, port in cluster.nodes:
        try:
            await _reach(host, port, tls)
        except OSError as error:  # TimeoutError is one
            raise BrokerUnavailable(
                f"{asked} answers, but it advertises {host}:{port}, which cannot be reached from here "
                f"({error.strerror or 'no answer'})",
                "Set advertised.listeners of that broker to an address that this machine can reach.",
            ) from error
