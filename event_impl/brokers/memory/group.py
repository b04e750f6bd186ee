"""A consumer group, as Kafka's coordinator keeps it: members, sessions, rebalances, committed offsets.

```
stable ──one joins, leaves, or is silent for its session──→ preparing ──all have joined again──→ stable, a generation on
```
Rebalances are eager: each member gives up all it has before it joins again. The partitions are assigned in turn, in
the order of the members' ids, as by aiokafka's default assignor (the id of a static member begins with its name).
In Kafka the leader assigns them; here that takes no time, so a leader that stands still meanwhile is not modelled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError

from event_impl.brokers.memory.log import Record
from event_impl.brokers.memory.platform import Args, Platform
from event_impl.brokers.memory.requests import BrokerRequest


class Coordinator(Protocol):
    """What a group asks of the broker that keeps it."""

    @property
    def platform(self) -> Platform: ...

    def at_ns(self, when_ns: int, callback: Callable[[*Args], object], *args: *Args) -> None:
        """A timer of this life of the broker."""

    def log(self, partition: TopicPartition) -> list[Record]: ...

    def partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]: ...


class Assignment(NamedTuple):
    """What a member has been given."""

    member: str
    generation: int
    share: Sequence[TopicPartition]


@dataclass(eq=False)
class Member:
    """One member, until it leaves, is put out, or comes back under its name with a new id."""

    id: str
    name: str | None  # of a static one
    topics: Sequence[str]
    session_ns: int
    share: list[TopicPartition] = field(default_factory=list)
    joining: BrokerRequest[Assignment] | None = None
    seen_ns: int = 0


class Group:
    """Generation 0 has no members."""

    def __init__(self, broker: Coordinator) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self.generation = 0
        self._broker = broker
        self._members: dict[str, Member] = {}
        self._preparing = False
        self._numbers = itertools.count(1)

    # Requests

    def join(
        self,
        request: BrokerRequest[Assignment],
        member_id: str,
        name: str | None,
        topics: Sequence[str],
        session_ns: int,
    ) -> None:
        """Admit a member. It waits until all have joined; one that comes back under its name does not."""
        if member_id:
            member = self._member(member_id)
        else:
            member = Member(f"{name or 'dynamic'}-{next(self._numbers):08}", name, topics, session_ns)
            before = next((known for known in self._members.values() if name and known.name == name), None)
            self._members[member.id] = member
            if before is None:
                self._prepare()
            else:
                del self._members[before.id]  # whatever it still says, it is unknown
                member.share = before.share
            self._keep_watch(member)
        if not self._preparing:
            self._see(member)
            request.reply(Assignment(member.id, self.generation, member.share))
        else:
            member.joining = request
            self._complete_if_all_have_joined()

    def leave(self, member_id: str) -> None:
        self._put_out(self._member(member_id))

    def heartbeat(self, member_id: str, generation: int) -> None:
        self._check(member_id, generation)
        if self._preparing:
            raise RebalanceInProgressError

    def commit(self, member_id: str, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        # In a group without members, any client may commit that claims no membership.
        if generation >= 0 or self._members:
            self._check(member_id, generation)
        self.committed.update(offsets)

    def positions(self, partitions: Sequence[TopicPartition], from_end: bool) -> Mapping[TopicPartition, int]:
        """Where to resume in some partitions, or to begin where nothing was committed."""
        broker, committed = self._broker, self.committed
        return {
            partition: committed[partition] if partition in committed else len(broker.log(partition)) * from_end
            for partition in partitions
        }

    def _member(self, member_id: str) -> Member:
        if member_id not in self._members:
            raise UnknownMemberIdError
        return self._members[member_id]

    def _check(self, member_id: str, generation: int) -> None:
        member = self._member(member_id)
        if generation != self.generation:
            raise IllegalGenerationError
        self._see(member)

    # Sessions

    def _see(self, member: Member) -> None:
        member.seen_ns = self._broker.platform.now_ns()

    def _keep_watch(self, member: Member) -> None:
        self._see(member)
        self._broker.at_ns(member.seen_ns + member.session_ns, self._look_after, member)

    def _look_after(self, member: Member) -> None:
        if self._members.get(member.id) is not member:
            return
        if member.joining is not None:
            self._see(member)  # the group keeps it waiting, not the other way round
        due_ns = member.seen_ns + member.session_ns
        if due_ns > self._broker.platform.now_ns():
            self._broker.at_ns(due_ns, self._look_after, member)
        else:
            self._put_out(member)

    def _put_out(self, member: Member) -> None:
        del self._members[member.id]
        if self._preparing:
            self._complete_if_all_have_joined()
        else:
            self._prepare()

    # Rebalances

    def _prepare(self) -> None:
        if not self._members:  # the last one has gone
            self.generation += 1
        elif not self._preparing:
            self._preparing = True
            longest_ns = max(member.session_ns for member in self._members.values())
            self._broker.at_ns(self._broker.platform.now_ns() + longest_ns, self._go_without, self.generation)

    def _go_without(self, generation: int) -> None:
        """Wait no longer for those that have not joined again: dynamic ones are put out, static ones have a session."""
        if not self._preparing or generation != self.generation:
            return
        for member in list(self._members.values()):
            if member.joining is None and member.name is None:
                del self._members[member.id]
        if any(member.joining is not None for member in self._members.values()):
            self._complete()
        else:
            self._preparing = False
            self._prepare()

    def _complete_if_all_have_joined(self) -> None:
        if all(member.joining is not None for member in self._members.values()):
            self._complete()

    def _complete(self) -> None:
        self._preparing = False
        self.generation += 1
        members = sorted(self._members.values(), key=lambda member: member.id)
        for member in members:
            member.share = []
        turns = itertools.cycle(members)
        for partition in self._broker.partitions_of({topic for member in members for topic in member.topics}):
            next(member for member in turns if partition.topic in member.topics).share.append(partition)
        for member in members:
            if member.joining is not None:
                self._see(member)
                member.joining.reply(Assignment(member.id, self.generation, member.share))
                member.joining = None

    # The broker's life

    def lose_requests(self) -> list[BrokerRequest[Assignment]]:
        """The requests that waited and no longer do: their connection is lost."""
        lost = [member.joining for member in self._members.values() if member.joining is not None]
        for member in self._members.values():
            member.joining = None
        return lost

    def load(self) -> None:
        """Resume from what is on the disk: all members, each with a new session."""
        for member in self._members.values():
            self._keep_watch(member)
        if self._preparing:
            self._preparing = False
            self._prepare()
