# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The programs and maps of a skeleton, as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class _Named(NamedTuple):
    """The default of an attribute that has another name in C."""

    name: str


def named(name: str) -> Any:
    """Says which program or map an attribute is, where C has another name for it."""
    return _Named(name)


class _Members:
    """Attributes for what an object has by name: those that a subclass annotates."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        for attribute in type(self).__annotations__:
            default = getattr(type(self), attribute, None)
            setattr(self, attribute, found[default.name if isinstance(default, _Named) else attribute])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(vars(self)) or 'none'}>"


class Programs(_Members):
    """The programs of a skeleton, an attribute for each. They are those of its `object`."""


class Maps(_Members):
    """The maps of a skeleton, an attribute for each. They are those of its `object`.

    The maps of global data are named as their sections: `bss`, `rodata`, `data_counters`.
    """
