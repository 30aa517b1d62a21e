# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Sections of a project's own: what type the programs in them have.

libbpf's libbpf_register_prog_handler keeps such handlers in an array that grows and shrinks, and
every program of an open object points into it: registering or unregistering one pulls it from
under the objects that are open, and from other threads that are opening one. All that it does
for a handler without callbacks is to set a program's type, as bpf_program__set_type and
bpf_program__set_expected_attach_type do it for each object by itself. So these are called here,
and libbpf's array stays empty.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .._native import c_string, check, lib, text
from ..enums import AttachType, ProgramType

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._libbpf import CData

# Of types with several attach types, what libbpf's plain section means.
_USUAL = {
    ProgramType.XDP: AttachType.XDP,
    ProgramType.SK_REUSEPORT: AttachType.SK_REUSEPORT_SELECT,
    ProgramType.LSM: AttachType.LSM_MAC,
}

# Copied by whoever walks it: list.append, list.remove and the copy are atomic, and a lock would be
# one that a forked child could find held.
_registered: list[CustomSection] = []


class CustomSection:
    """A section that was registered, until it is closed. From `register_section`.

    Attributes:
        section: its name, as it was registered.
        type: the type of its programs.
        attach_type: where they attach, or None.
    """

    def __init__(self) -> None:
        raise TypeError("sections are registered by register_section()")

    section: str
    type: ProgramType
    attach_type: AttachType | None

    def matches(self, section: str) -> bool:
        """Whether a program of that section is one of these: libbpf.c:sec_def_matches."""
        if self.section.endswith("/"):
            return section.startswith(self.section)
        if self.section.endswith("+"):
            return section == self.section[:-1] or section.startswith(f"{self.section[:-1]}/")
        return section == self.section

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self not in _registered

    def close(self) -> None:
        """Unregisters it. Idempotent. Objects that are open keep their programs as they are."""
        with contextlib.suppress(ValueError):
            _registered.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CustomSection '{self.section}', {self.type.name}{', closed' if self.closed else ''}>"


def register_section(
    section: str, type: ProgramType, *, attach_type: AttachType | None = None
) -> CustomSection:
    """Says what type programs of a section have, in all objects that this process opens from then on.

    Their class is that of the type and attach type. `Object.attach` leaves them out, since their
    section says nothing about where: attach them by their `attach()` or a function of
    `pylibbpf.link`. A section that libbpf knows can be registered too, and is what it was
    registered as then.

    Args:
        section: "name" for SEC("name"), "name/" for SEC("name/anything"), "name+" for both.
        type: the type of the programs.
        attach_type: where they attach. Needed for types that attach in several ways.

    Returns:
        What unregisters it when it is closed, a context manager. Dropping it does not.

    Raises:
        ValueError: that section is registered already; the name is empty; the type needs an
            attach type.

    libbpf: bpf_program__set_type and bpf_program__set_expected_attach_type, which do for one
    object what libbpf_register_prog_handler does for a process, and not safely.
    """
    if not c_string(section, "section").rstrip(b"/+"):
        raise ValueError("a section needs a name")
    made = object.__new__(CustomSection)
    made.section = section
    made.type = ProgramType(type)
    made.attach_type = _default(made.type) if attach_type is None else AttachType(attach_type)
    if any(other.section == section for other in tuple(_registered)):
        raise ValueError(f"section '{section}' is registered already")
    _registered.append(made)
    return made


def _default(type: ProgramType) -> AttachType | None:
    """Where programs of a type attach that is not said; None for types that are loaded without."""
    from .kinds import KINDS

    kinds = [kind for kind in KINDS if kind._type == type]
    if not kinds or not all(kind._attach_types for kind in kinds):
        return None
    if type in _USUAL:
        return _USUAL[type]
    possible = [attach_type for kind in kinds for attach_type in kind._attach_types]
    if len(possible) > 1:
        names = ", ".join(found.name for found in possible)
        raise ValueError(
            f"programs of type {type.name} attach in several ways: give attach_type=, one of {names}"
        )
    return possible[0]


def assign(program: CData) -> None:
    """Gives a program of an object that is being opened the type of its section. The first that was
    registered and matches decides."""
    if not _registered:
        return
    name = text(lib.bpf_program__section_name(program))
    custom = next((found for found in tuple(_registered) if found.matches(name)), None)
    if custom is None:
        return
    subject = f"'{text(lib.bpf_program__name(program))}'"
    check(lib.bpf_program__set_type(program, custom.type), "set the type of program", subject)
    if custom.attach_type is not None:
        check(
            lib.bpf_program__set_expected_attach_type(program, custom.attach_type),
            "set the attach type of program",
            subject,
        )
    lib.bpf_program__set_autoattach(program, False)
