# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What kprobe.multi and uprobe.multi have in common: which program, which functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._native import NULL, c_string, ffi
from ..enums import AttachType, ProgramType
from ..errors import ProgramTypeError
from .create import Attachable, require_program
from .perf_event import require_number

if TYPE_CHECKING:
    from .._libbpf import CData


def is_session(program: Attachable, session: bool, multi: AttachType, both: AttachType) -> bool:
    """Whether a program runs on entry and on return.

    Args:
        program: the program.
        session: what the caller says.
        multi: the attach type of those that run on one of them, and
        both: of those that run on both.

    Raises:
        ProgramTypeError: it was loaded for neither, or not for what the caller says.
    """
    require_program(program, ProgramType.KPROBE)
    attach_type = program.expected_attach_type
    if attach_type not in (None, multi, both):
        raise ProgramTypeError(
            f"program '{program.name}' is not for many functions at once: its attach type is not "
            f"{multi.name} or {both.name}"
        )
    if session and attach_type == multi:
        raise ProgramTypeError(f"program '{program.name}' was loaded for {multi.name}: it makes no session")
    return session or attach_type == both


def choose(cookies: Sequence[int] | None, **places: Any) -> Any:
    """The one of some ways to name functions that was given; the pattern stands first.

    Raises:
        ValueError: none or several were given, a list is empty, or the cookies are not one for each.
    """
    given = {name: value for name, value in places.items() if value is not None}
    if len(given) != 1:
        *others, last = places
        raise ValueError(f"exactly one of {', '.join(others)} and {last} says where")
    ((name, value),) = given.items()
    if len(value) == 0:
        raise ValueError(f"{name} must not be empty")
    if name == "pattern":
        if cookies is not None:
            raise ValueError("cookies are for a list: nobody knows the order of what a pattern matches")
    elif isinstance(value, (str, bytes)):
        raise TypeError(f"{name} must be a sequence, not {type(value).__name__}")
    elif cookies is not None:
        require_one_each(cookies, value, "cookies", name)
    return value


def require_one_each(values: Sequence[int], places: Sequence[Any], what: str, name: str) -> None:
    """Raises ValueError unless there are as many numbers as places."""
    if len(values) != len(places):
        raise ValueError(f"{what} are one for each of {name}: {len(values)} for {len(places)}")
    for value in values:
        require_number(value, what)


class CStrings:
    """Names as C strings, which live as long as this.

    Attributes:
        array: their addresses, NULL for none.
    """

    def __init__(self, names: Sequence[str] | None, what: str) -> None:
        encoded = [c_string(name, what) for name in names or ()]
        if len(set(encoded)) != len(encoded) or b"" in encoded:
            # The kernel and libbpf find each name once, and miss the second.
            raise ValueError(f"each {what} stands there once, and none is empty: {names}")
        self._strings = [ffi.new("char[]", name) for name in encoded]
        self.array = ffi.new("const char *[]", self._strings) if encoded else NULL


def cookie_array(cookies: Sequence[int] | None) -> CData:
    """Cookies as an array in C, NULL for none."""
    return NULL if cookies is None else ffi.new("__u64[]", list(cookies))


def unsigned_longs(values: Sequence[int] | None) -> CData:
    """Addresses or offsets as an array in C, NULL for none."""
    if values is None:
        return NULL
    bits = 8 * ffi.sizeof("unsigned long")
    return ffi.new(
        "unsigned long[]", [require_number(value, "an address or offset", bits) for value in values]
    )


def count(number: int, noun: str) -> str:
    """How many there are, in words."""
    return f"{number} {noun}{'s' if number != 1 else ''}"
