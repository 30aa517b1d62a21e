# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What commands write: tables, facts, JSON, and colours where there is a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from typing_extensions import Never

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}
_GAP = "  "
# What a column of text keeps when the terminal is narrow.
_LEAST = 4
# And one of names, which the user may want to type: longer than the kernel's are.
_LEAST_OF_NAMES = 16
_NAMES = frozenset({"NAME", "PROGRAM", "MAP", "VARIABLE"})
# Less than a pipe takes.
_PIECE = 32768


def has_colours(stream: TextIO) -> bool:
    """Whether to use colours: on a terminal that has them, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, colour: str, stream: TextIO | None = None) -> str:
    """A text in a colour, where the stream, by default stdout, is a terminal."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if has_colours(stream or sys.stdout) else text


def width() -> int | None:
    """Columns of the terminal that stdout is; None if it is none, and nothing is cut."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def filled(text: str, stream: TextIO) -> str:
    """A message with its long lines broken between words where the stream is a terminal."""
    if not stream.isatty():
        return text
    import textwrap

    try:
        room = os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return text
    lines = []
    for line in text.splitlines():
        if len(line) > room:
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            line = textwrap.fill(
                line, room, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        lines.append(line)
    return "\n".join(lines)


def write_text(text: str) -> None:
    """Writes a long text in pieces. Python without buffers (PYTHONUNBUFFERED) takes a write that was cut
    short, since the reader has gone, for done: the next piece raises BrokenPipeError."""
    for start in range(0, len(text), _PIECE):
        sys.stdout.write(text[start : start + _PIECE])


# --- cells ----------------------------------------------------------------------------


def printable(text: str) -> str:
    """A text without what would move the cursor or change colours: names come from programs."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def shown(value: object) -> str:
    """A value in a table or among facts."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value) or "-"
    return printable(str(value)) or "-"


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes rows in aligned columns, numbers to the right. On a terminal it fits its width: the
    widest columns are cut, and end in "…" then."""
    rows = list(rows)
    cells = [[shown(value) for value in row] for row in rows]
    to_right = [
        any(isinstance(row[index], (int, float)) for row in rows)
        and all(isinstance(row[index], (int, float, type(None))) for row in rows)
        for index in range(len(headers))
    ]
    widths = [
        max(len(headers[index]), *(len(row[index]) for row in cells), 0) for index in range(len(headers))
    ]
    room = width()
    _fit(widths, to_right, [header in _NAMES for header in headers], room)

    def line(texts: Sequence[str]) -> str:
        parts = []
        for text, size, right in zip(texts, widths, to_right, strict=True):
            if len(text) > size:
                text = text[: size - 1] + "…"
            parts.append(text.rjust(size) if right else text.ljust(size))
        return cut(_GAP.join(parts).rstrip(), room)

    print(styled(line(headers), "bold"))
    for row in cells:
        print(line(row))


def cut(text: str, room: int | None) -> str:
    """A line that fits so many columns."""
    return text if room is None or len(text) <= room else text[: max(room - 1, 0)] + "…"


def _fit(widths: list[int], keep: list[bool], names: list[bool], room: int | None) -> None:
    """Makes the widest columns narrower until all fit, names last, and not those to keep: half a number is
    a lie."""
    if room is None:
        return
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    for least_of_names in (_LEAST_OF_NAMES, _LEAST):
        leasts = [least_of_names if is_name else _LEAST for is_name in names]
        while excess > 0:
            candidates = [
                index for index, kept in enumerate(keep) if not kept and widths[index] > leasts[index]
            ]
            if not candidates:
                break
            widths[max(candidates, key=lambda index: widths[index])] -= 1
            excess -= 1


def facts(pairs: Mapping[str, object]) -> None:
    """Writes facts, one in a line or, for several, one below the other. Those that are None are left out."""
    names = {name: name.replace("_", " ") for name in pairs}
    wide = max((len(name) for name in names.values()), default=0)
    for name, value in pairs.items():
        if value is None:
            continue
        lines = [shown(item) for item in value] if isinstance(value, (list, tuple)) else [shown(value)]
        for index, text in enumerate(lines or ["-"]):
            label = names[name] if index == 0 else ""
            print(f"{styled(label.ljust(wide), 'bold')}{_GAP}{text}")


def wrapped(words: Iterable[str], indent: str = "  ") -> None:
    """Writes words in lines that fit the terminal."""
    import textwrap

    text = textwrap.fill(
        " ".join(words), width() or 100, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    print(text or f"{indent}-")


# --- JSON -----------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as the module json takes it: dataclasses and named tuples become objects, enums names,
    bytes hexadecimal digits."""
    import enum
    from dataclasses import fields, is_dataclass

    if isinstance(value, enum.Flag):
        return _flag_names(value)
    if isinstance(value, enum.Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value


def _flag_names(value: Any) -> list[str]:
    names = [flag.name for flag in type(value) if flag.value and flag.value & value.value == flag.value]
    known = sum(flag.value for flag in type(value) if flag.name in names)
    return names + ([f"UNKNOWN_{value.value & ~known:#x}"] if value.value & ~known else [])


def write_json(value: Any, *, lines: bool = False) -> None:
    """Writes a value as JSON; `lines` on one line, for streams."""
    import json

    write_text(json.dumps(plain(value), indent=None if lines else 2, default=_refuse) + "\n")


def _refuse(value: object) -> Never:
    raise TypeError(f"no JSON is made of a {type(value).__name__}")


def bytes_size(count: int | None) -> str | None:
    """A number of bytes for people."""
    if count is None or count < 10_000:
        return None if count is None else f"{count} B"
    for unit in ("KiB", "MiB", "GiB"):
        if count < 10_000 * 1024 or unit == "GiB":
            return f"{count / 1024:.0f} {unit}"
        count //= 1024
    return None
