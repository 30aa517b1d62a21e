# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Names of Python for the names of C."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, count
from keyword import iskeyword

# What stands in the bodies of a skeleton's classes, where an attribute of that name would hide it.
USED = ("builtins", "maps", "programs", "skeleton")

_NO_PART_OF_A_NAME = re.compile(r"[^A-Za-z0-9_]")


def attribute(name: str) -> str:
    """A name that an attribute can have: "from" becomes "from_", ".data.counters" "data_counters".

    Names of C stay as they are wherever that is possible.
    """
    made = _NO_PART_OF_A_NAME.sub("_", name.lstrip("."))
    if made[:1].isdigit() or not made:
        made = f"_{made}"
    return f"{made}_" if iskeyword(made) or made in USED else made


def member(name: str) -> str:
    """As `attribute`, for what stands in the body of a class: Python changes names there that begin with two
    underscores."""
    made = attribute(name)
    return f"_{made.lstrip('_')}" if made.startswith("__") else made


def class_name(*words: str) -> str:
    """The name of a class, by the names that C has for the type, or for what it is of: "task_struct" becomes
    "TaskStruct"."""
    parts = [part for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part]
    made = "".join(part[0].upper() + part[1:] for part in parts)
    return attribute(made)


class Names:
    """Names of one scope, each given once.

    Args:
        taken: those that are not to be given.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, *wanted: str) -> str:
        """The first of some names that is free; the last with a number behind it, if none is."""
        last = wanted[-1].rstrip("_") or "_"
        numbered = (f"{last}_{number}" for number in count(2))
        name = next(name for name in chain(wanted, numbered) if name not in self._taken)
        self._taken.add(name)
        return name
