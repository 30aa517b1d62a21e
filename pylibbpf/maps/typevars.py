# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""K and V, the types of a map's keys and values: `HashMap[int, Event]`; Any where nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Defaults of type variables came with Python 3.13; type checkers know them for all.
    from typing_extensions import TypeVar

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")
