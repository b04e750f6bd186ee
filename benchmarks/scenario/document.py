"""A YAML text as plain data plus the line of every key, so that a problem can point at its place.

The reader knows the core schema of YAML 1.2 and nothing else: no tags, anchors, aliases or merge keys, one document.
It works on the parser's events in one pass without recursion, so no input makes it build objects or overflow the stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from benchmarks.values.problems import Location, Problem, ScenarioError, dotted

Tree = None | bool | int | float | str | list["Tree"] | dict[str, "Tree"]

LARGEST_BYTES = 1 << 20
_DEEPEST = 20
_MOST_EVENTS = 20_000
_SHORT = 60

# YAML 1.2.2, section 10.3.2 (core schema); first match wins.
_SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], Tree]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,30}"), int),
    (re.compile(r"0o[0-7]{1,30}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,30}"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?(\.inf|\.Inf|\.INF)"), lambda text: float(text.replace(".", "").lower())),
    (re.compile(r"\.nan|\.NaN|\.NAN"), lambda text: float("nan")),
)


# Both mean something else in YAML without quotes.
_BARE_METRIC = re.compile(
    r"(?<![\w\"'.])(?P<bare>[a-z_0-9]+(\.[a-z_0-9]+)?\s*\{\s*(variant|window|service)\s*:[^{}]*\})"
)
_BARE_EXPECTATION = re.compile(r"[:\[,]\s*(?P<bare>>=?\s*[-+.0-9]+\s*%?)")


@dataclass(frozen=True)
class Document:
    """`lines` and `texts` are by path of keys and indices: the line of the key, the text of its value.

    Without any `lines`, problems have no line number.
    """

    file: str
    data: dict[str, Tree]
    lines: dict[Location, int]
    texts: dict[Location, str]

    def problem(self, location: Location, message: str) -> Problem:
        """A problem at `location`, or at the nearest enclosing key where that has no line (a missing key)."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{dotted(location)}: " if location else ""
        return Problem(
            self.file,
            self.lines.get(known, 1) if self.lines else None,
            self.texts.get(location, ""),
            f"{where}{message}",
        )


@dataclass
class _Open:
    """A collection that is being read."""

    location: Location
    value: list[Tree] | dict[str, Tree]
    line: int
    key: str | None = None


@dataclass
class _Reader:
    file: str
    lines: dict[Location, int] = field(default_factory=dict)
    texts: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Tree = None

    def read(self, events: Iterator[Event]) -> None:
        documents = 0
        for count, event in enumerate(events):
            line = event.start_mark.line + 1
            if count > _MOST_EVENTS:
                raise self.refusal(line, f"the file holds more than {_MOST_EVENTS:,} values; is it a scenario?")
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refusal(line, "a second document begins here; a scenario file holds one")
            elif isinstance(event, AliasEvent):
                raise self.refusal(line, f"the alias '*{event.anchor}' is not supported; write the value out")
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                self.stack.pop()
            elif isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent)):
                self.node(event, line)

    def node(self, event: MappingStartEvent | SequenceStartEvent | ScalarEvent, line: int) -> None:
        if event.anchor is not None:
            raise self.refusal(line, f"the anchor '&{event.anchor}' is not supported; write values out")
        if event.tag is not None:
            raise self.refusal(line, f"the tag '{event.tag}' is not supported; write plain values")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.open_key(top, event, line)
            return
        if isinstance(event, ScalarEvent):
            self.put(_resolve(event.value, plain=event.implicit[0]), line, event.value)
            return
        if len(self.stack) >= _DEEPEST:
            raise self.refusal(line, f"values are nested more than {_DEEPEST} deep")
        collection: list[Tree] | dict[str, Tree] = {} if isinstance(event, MappingStartEvent) else []
        self.stack.append(_Open(self.put(collection, line, ""), collection, line))

    def open_key(self, top: _Open, event: MappingStartEvent | SequenceStartEvent | ScalarEvent, line: int) -> None:
        assert isinstance(top.value, dict)
        if not isinstance(event, ScalarEvent):
            raise self.refusal(line, "a key must be plain text, not a list or a mapping")
        key = event.value
        if key == "<<" and event.implicit[0]:
            raise self.refusal(line, "the merge key '<<' is not supported; write the keys out")
        location = (*top.location, key)
        if key in top.value:
            message = f"{dotted(location)}: {_short(key)} is given twice; the first is on line "
            self.problems.append(Problem(self.file, line, key, f"{message}{self.lines[location]}"))
        else:
            self.lines[location] = line
        top.key = key

    def put(self, value: Tree, line: int, text: str) -> Location:
        """Add a value to the open collection; returns its location."""
        if not self.stack:
            self.root = value
            return ()
        top = self.stack[-1]
        if isinstance(top.value, dict):
            assert top.key is not None
            location: Location = (*top.location, top.key)
            top.value[top.key] = value
            top.key = None
        else:
            location = (*top.location, len(top.value))
            top.value.append(value)
            self.lines[location] = line
        self.texts[location] = text
        return location

    def refusal(self, line: int, message: str) -> ScenarioError:
        return ScenarioError([*self.problems, Problem(self.file, line, "", message)])


def read_document(text: str, file: str) -> Document:
    """The one mapping that `text` holds.

    Raises ScenarioError where it is not YAML, or not a single mapping of plain values.
    """
    reader = _parse(text, file)
    if not isinstance(reader.root, dict):
        what = "the file is empty" if reader.root is None else "the file is not a mapping"
        raise reader.refusal(1, f"{what}; a scenario begins with 'version: 1'")
    if reader.problems:
        raise ScenarioError(reader.problems)
    return Document(file, reader.root, reader.lines, reader.texts)


def read_value(text: str, source: str) -> Tree:
    """The one value that `text` holds, by the same rules. Raises ScenarioError."""
    reader = _parse(text, source)
    if reader.problems:
        raise ScenarioError(reader.problems)
    return reader.root


def _parse(text: str, file: str) -> _Reader:
    reader = _Reader(file)
    if len(text) > LARGEST_BYTES:
        raise reader.refusal(1, "the file is larger than 1 MiB; is it a scenario?")
    try:
        reader.read(YAML(typ="safe", pure=True).parse(text))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise reader.refusal(
            line, f"the character {_character(error)} is not allowed in YAML; is this a text file?"
        ) from None
    except MarkedYAMLError as error:
        line = _line_of(error)
        remedy = _unquoted(text.splitlines()[line - 1 : line])
        raise reader.refusal(line, f"this is not YAML: {remedy or _sentence(error)}") from None
    except (YAMLError, ValueError, IndexError, AttributeError, AssertionError) as error:
        # The parser fails on some malformed texts with other types of errors.
        raise reader.refusal(1, f"this is not YAML: {error}") from None
    return reader


def _resolve(text: str, *, plain: bool) -> Tree:
    """The value of a scalar: quoted ones are text, plain ones may be a number, a truth value or nothing."""
    if plain:
        for pattern, convert in _SCALARS:
            if pattern.fullmatch(text):
                return convert(text)
    return text


def _unquoted(lines: list[str]) -> str | None:
    """What needs quotes in a line that cannot be read: a metric with its tags, or an expectation."""
    for pattern in (_BARE_METRIC, _BARE_EXPECTATION):
        for line in lines:
            if (match := pattern.search(line)) is not None:
                return f'put it in quotes: "{match["bare"].strip()}"'
    return None


def _line_of(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return 1 if mark is None else mark.line + 1


def _sentence(error: MarkedYAMLError) -> str:
    parts = [str(part).splitlines()[0] for part in (error.context, error.problem) if part]
    text = ", ".join(parts) or "it cannot be read"
    return text.replace("'\\t'", "a tab").replace("character a tab", "a tab (indent with spaces)")


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHORT else text[:_SHORT] + "…")


def _character(error: ReaderError) -> str:
    return repr(chr(error.character) if isinstance(error.character, int) else error.character)
