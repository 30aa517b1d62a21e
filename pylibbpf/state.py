# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How far an object has come; its programs and maps ask."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """How far an object has come. A failed load leaves one that can only be closed."""

    OPENED = 0
    PREPARED = 1
    LOADED = 2
    FAILED = 3
