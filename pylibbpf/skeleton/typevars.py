# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Type variables of what reads as one type and is set to another, by default the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Defaults of type variables came with Python 3.13; type checkers know them for all.
    from typing_extensions import TypeVar

    T = TypeVar("T")
    Read = TypeVar("Read")
    Written = TypeVar("Written", default=Read)
else:
    from typing import TypeVar

    T = TypeVar("T")
    Read = TypeVar("Read")
    Written = TypeVar("Written")
