# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arrays of programs for tail calls: BPF_MAP_TYPE_PROG_ARRAY."""

from __future__ import annotations

from ..enums import MapType
from .array import IndexedMap
from .files import IdMap


class ProgramArray(IdMap[int, int], IndexedMap[int]):
    """Programs to tail-call: `map[index] = program`, `del map[index]`; `map[index]` is the id of
    the program there, `ids()` those of all.

    It takes programs of one type only, and is emptied when the last user-space
    reference to it, an fd or a pin, goes.

    Kernel: 4.2; reading ids 4.20.
    """

    _type = MapType.PROG_ARRAY
    _holds = "programs, all of the type of those that use the map"
