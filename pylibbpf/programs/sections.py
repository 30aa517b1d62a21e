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

import threading
from typing import TYPE_CHECKING

from .._native import c_string, check, lib, text
from ..enums import AttachType, ProgramType

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._libbpf import CData

# Replaced as a whole, so that whoever opens an object needs no lock to walk it.
_registered: tuple[CustomSection, ...] = ()
_changes = threading.Lock()


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
        global _registered  # noqa: PLW0603 - what a process has one of
        with _changes:
            _registered = tuple(other for other in _registered if other is not self)

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
        attach_type: where they attach, for types that the kernel checks it for at load.

    Returns:
        What unregisters it when it is closed, a context manager. Dropping it does not.

    Raises:
        ValueError: that section is registered already; the name is empty.

    libbpf: bpf_program__set_type and bpf_program__set_expected_attach_type, which do for one
    object what libbpf_register_prog_handler does for a process, and not safely.
    """
    global _registered  # noqa: PLW0603 - what a process has one of
    if not c_string(section, "section").rstrip(b"/+"):
        raise ValueError("a section needs a name")
    made = object.__new__(CustomSection)
    made.section = section
    made.type = ProgramType(type)
    made.attach_type = None if attach_type is None else AttachType(attach_type)
    with _changes:
        if any(other.section == section for other in _registered):
            raise ValueError(f"section '{section}' is registered already")
        _registered = (*_registered, made)
    return made


def assign(program: CData) -> None:
    """Gives a program of an object that is being opened the type of its section. The first that was
    registered and matches decides."""
    if not _registered:
        return
    name = text(lib.bpf_program__section_name(program))
    custom = next((found for found in _registered if found.matches(name)), None)
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
