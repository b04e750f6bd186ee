"""The broker that event variants publish to: which kind, how it is started, how topics are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from benchmarks.brokers import KINDS, ServerSpec
from benchmarks.values.checked import Model
from benchmarks.values.problems import Flaw, ValueProblems, choice_hint

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(KINDS)]

# Keys that mean something for one kind, and nothing for another.
_OF_A_KIND = ("profile", "durability")


class BrokerSpec(Model):
    """As checked: `profile` and `durability` are the kind's defaults where they are not given.

    A kind with a fixed number of partitions has that number, whatever is asked.
    """

    kind: Annotated[KindName, Field(description="`kafka`, or `embedded`, a stand-in in memory")] = "kafka"
    partitions: Annotated[
        int, Field(strict=True, ge=1, le=64, description="partitions of each topic; the embedded broker always has 4")
    ] = 6
    profile: Annotated[
        str | None, Field(description="of `kafka`: `quick`, or `full`, with Kafka's usual JVM and heap")
    ] = None
    durability: Annotated[
        str | None,
        Field(description="where an event is when it is acknowledged: `os`, with the operating system, or `fsync`"),
    ] = None

    @property
    def server(self) -> ServerSpec:
        """What is started for it."""
        assert self.durability is not None, "it was filled in when it was checked"
        return ServerSpec(self.kind, self.profile, self.durability)

    @property
    def hit_by_faults(self) -> bool:
        """Whether its process can be stopped, ended and started again on the same data."""
        return KINDS[self.kind].hit_by_faults

    @property
    def caution(self) -> str:
        """What to know before measuring with it; empty for a real one."""
        return KINDS[self.kind].caution

    def over(self, shared: BrokerSpec) -> BrokerSpec:
        """This one's own keys over those of `shared`; of a broker of another kind, what is its kind's does not count.

        Raises ValueProblems where they do not fit together.
        """
        given = {key: getattr(self, key) for key in self.model_fields_set}
        below = shared.resolved()
        if given.get("kind", shared.kind) != shared.kind:
            below = {key: value for key, value in below.items() if key not in _OF_A_KIND}
        merged = {**below, **given}
        if flaws := list(_flaws(given.get("kind", shared.kind), merged)):
            raise ValueProblems(flaws)
        return BrokerSpec.model_validate(merged)

    def resolved(self) -> dict[str, object]:
        """As the file has it. The kind's defaults are left out: with another kind they would mean nothing."""
        own = {key: getattr(self, key) for key in _OF_A_KIND if getattr(self, key) != _default(self.kind, key)}
        return {"kind": self.kind, "partitions": self.partitions, **own}

    @classmethod
    def flaws_together(cls, data: Mapping[str, object]) -> Iterator[Flaw]:
        kind = data.get("kind", cls.model_fields["kind"].default)
        if isinstance(kind, str) and kind in KINDS:
            yield from _flaws(kind, {key: data[key] for key in _OF_A_KIND if isinstance(data.get(key), str)})

    @model_validator(mode="after")
    def _as_it_will_be(self) -> Self:
        kind = KINDS[self.kind]
        for key in _OF_A_KIND:
            self.__dict__[key] = getattr(self, key) or _default(self.kind, key)
        if kind.partitions is not None:
            self.__dict__["partitions"] = kind.partitions
        return self


def _offered(kind: str, key: str) -> tuple[str, ...]:
    return {"profile": KINDS[kind].profiles, "durability": KINDS[kind].durabilities}[key]


def choices(key: str) -> list[str]:
    """What the kinds offer for `profile` or `durability`, all together."""
    return list(dict.fromkeys(choice for kind in KINDS for choice in _offered(kind, key)))


def _default(kind: str, key: str) -> str | None:
    return next(iter(_offered(kind, key)), None)


def _flaws(kind: str, given: Mapping[str, object]) -> Iterator[Flaw]:
    """What is asked of a kind that it cannot do."""
    for key in given.keys() & set(_OF_A_KIND):
        offered, asked = _offered(kind, key), given[key]
        if not offered:
            yield Flaw((key,), f"the broker {kind!r} has no {key} to choose")
        elif asked not in offered:
            yield Flaw((key,), f"the broker {kind!r} has no {key} {asked!r}; {choice_hint(str(asked), offered)}")
