# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a misspelt name may have been meant to be."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def close_matches(name: str, candidates: Iterable[str], most: int = 3) -> list[str]:
    """The names that look like a misspelt one, the likeliest first."""
    from difflib import get_close_matches

    return get_close_matches(name, list(candidates), n=most)


def did_you_mean(names: Sequence[str]) -> str:
    """What a message about an unknown name ends with; "" if there are no names to offer."""
    return f"; did you mean {' or '.join(names)}?" if names else ""
