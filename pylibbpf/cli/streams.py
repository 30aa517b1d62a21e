# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The events of an object's ring and perf buffers, typed, and the lines that they become."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..enums import MapType
from .user_error import UserError
from .values import plain_value, quoted_text, typed_text

if TYPE_CHECKING:
    import argparse
    from types import TracebackType

    from ..maps import Map
    from ..object import Object
    from .stopping import Stop

    # Takes the map's name, the CPU or None, and the event as JSON has it.
    Write = Callable[[str, "int | None", Any], None]

_READABLE = (MapType.RINGBUF, MapType.PERF_EVENT_ARRAY)
# A perf buffer's reader looks for CPUs that came and went when it is called, seconds apart at most.
_LOOK = 1.0


class _Stream:
    """One map that is read."""

    def __init__(self, map: Map, type: str | None) -> None:
        from ..events import PerfBuffer, RingBuffer

        self.name = map.name
        self.type = type
        self.events = self.lost = self.bad = 0
        self.by_cpu = map.type == MapType.PERF_EVENT_ARRAY
        self.reader: Any = PerfBuffer(map, type, lost=True) if self.by_cpu else RingBuffer(map, type)

    def take(self, write: Write, most: int | None) -> int:
        """Writes the events that are there, and says how many."""
        import sys

        from ..events import BadRecordError, Lost

        taken = 0
        while most is None or taken < most:
            try:
                batch = self.reader.read_batch(timeout=0)
            except BadRecordError as error:
                self.bad += 1
                print(error, file=sys.stderr)
                continue
            if not batch:
                break
            for event in batch:
                cpu, event = event if self.by_cpu else (None, event)
                if isinstance(event, Lost):
                    self.lost += event.samples
                elif most is None or taken < most:
                    write(self.name, cpu, _plain_event(event, self.type))
                    taken += 1
        self.events += taken
        return taken


def _plain_event(event: Any, type: str | None) -> Any:
    return bytes(event).hex() if type is None else plain_value(event)


class Streams:
    """The readers of an object's maps.

    Args:
        obj: a loaded object.
        wanted: maps to read, "events" or "events:struct event"; all that can be read if there are none.

    Raises:
        UserError: a map is of another kind.
        NameNotFoundError: there is no such map or type.
    """

    def __init__(self, obj: Object, wanted: list[str]) -> None:
        self._stack = ExitStack()
        self._streams: list[_Stream] = []
        try:
            for map, type in _choose(obj, wanted):
                stream = _Stream(map, type)
                self._stack.callback(stream.reader.close)
                self._streams.append(stream)
        except BaseException:
            self._stack.close()
            raise

    def __len__(self) -> int:
        return len(self._streams)

    def description(self) -> Iterator[str]:
        """What is going to be read."""
        for stream in self._streams:
            yield f"{stream.name}: {stream.type or 'records without a type (--map MAP:TYPE gives them one)'}"

    def read(self, write: Write, stop: Stop, most: int | None) -> None:
        """Writes events until the end, or until there were so many."""
        import sys

        poll = select.poll()
        poll.register(stop, select.POLLIN)
        for stream in self._streams:
            poll.register(stream.reader, select.POLLIN)
        while not stop.is_over():
            if self.drain(write, most):
                sys.stdout.flush()
            if most is not None and self._count() >= most:
                return
            poll.poll(stop.left(_LOOK) * 1000)

    def drain(self, write: Write, most: int | None = None) -> int:
        """Writes the events that are there, and says how many."""
        return sum(
            stream.take(write, None if most is None else most - self._count()) for stream in self._streams
        )

    def _count(self) -> int:
        return sum(stream.events for stream in self._streams)

    def counts(self) -> Iterator[str]:
        """How many events there were."""
        for stream in self._streams:
            parts = [f"{stream.events} event{'' if stream.events == 1 else 's'}"]
            if stream.by_cpu:
                parts.append(f"{stream.lost} lost")
            if stream.bad:
                parts.append(f"{stream.bad} records of another type")
            yield f"{stream.name}: {', '.join(parts)}"

    def __enter__(self) -> Streams:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


def _choose(obj: Object, wanted: list[str]) -> Iterator[tuple[Map, str | None]]:
    """The maps to read, and the types of their records."""
    if not wanted:
        maps = [map for map in obj.maps.values() if map.type in _READABLE and map.autocreate]
        for map in maps:
            yield map, _likely_type(obj, map, alone=len(maps) == 1)
        return
    for each in wanted:
        name, _, type = each.partition(":")
        map = obj.maps[name]
        if map.type not in _READABLE:
            raise UserError(
                f"map '{name}' is of type {map.type.name}: only ring and perf buffers have events"
            )
        yield map, type or _likely_type(obj, map, alone=len(wanted) == 1)


def _likely_type(obj: Object, map: Map, *, alone: bool) -> str | None:
    """The type of the records, by names: the object does not say it."""
    names = [map.name.removesuffix("s"), map.name, f"{map.name.removesuffix('s')}_t"]
    spelled = [f"struct {name}" for name in names] + (["struct event"] if alone else [])
    return next((name for name in spelled if obj.btf is not None and name in obj.btf), None)


# --- lines ----------------------------------------------------------------------------


def writer(options: argparse.Namespace, *, many: bool) -> Write:
    """What writes an event in the form that the user wants."""
    if options.json:
        return _write_json
    if options.table:
        return _Table(many).write
    return lambda name, cpu, event: print(_line(name if many else None, cpu, event))


def _write_json(name: str, cpu: int | None, event: Any) -> None:
    from .output import write_json

    about = {"map": name} if cpu is None else {"map": name, "cpu": cpu}
    write_json({**about, "event": event}, lines=True)


def _line(name: str | None, cpu: int | None, event: Any) -> str:
    """An event as `name cpu=0 pid=7 comm="bash"`."""
    parts = [name] if name is not None else []
    parts += [f"cpu={cpu}"] if cpu is not None else []
    if isinstance(event, dict):
        parts += [f"{field}={quoted_text(value)}" for field, value in event.items()]
    else:
        parts.append(typed_text(event))
    return " ".join(parts)


class _Table:
    """Events in columns, whose width is that of the first event or more. It fits the terminal."""

    # Numbers and names grow after the first event.
    _ROOM = 8

    def __init__(self, many: bool) -> None:
        self._many = many
        self._map: str | None = None
        self._widths: dict[str, list[int]] = {}

    def write(self, name: str, cpu: int | None, event: Any) -> None:
        from .output import styled, width

        fields = event if isinstance(event, dict) else {"event": event}
        if cpu is not None:
            fields = {"cpu": cpu, **fields}
        if self._many:
            fields = {"map": name, **fields}
        cells = [typed_text(value) for value in fields.values()]
        widths = self._widths.setdefault(
            name, [max(len(field), len(cell), self._ROOM) for field, cell in zip(fields, cells, strict=True)]
        )
        room = width()
        if self._map != name:
            self._map = name
            print(styled(_columns([field.upper() for field in fields], widths, room), "bold"))
        for index, cell in enumerate(cells):
            widths[index] = max(widths[index], len(cell))
        print(_columns(cells, widths, room))


def _columns(cells: list[str], widths: list[int], room: int | None) -> str:
    from .output import cut

    return cut("  ".join(cell.ljust(size) for cell, size in zip(cells, widths, strict=True)).rstrip(), room)
