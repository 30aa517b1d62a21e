# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Names to offer when a type is not found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .types import Kind

if TYPE_CHECKING:
    from .btf import Btf

# How many names are looked up to see whether they are types.
_LOOKED_UP = 32


def similar_names(btf: Btf, name: str, kind: Kind | None) -> list[str]:
    """Existing types with a name like `name`, best first, as C spells them where a kind was asked for.

    A kernel has some 100,000 names, most of them of members. So they are ranked by
    the pairs of letters they share, and only the best are looked up.
    """
    encoded = name.encode(errors="surrogateescape")
    pairs = _pairs(encoded)
    length, slack = len(encoded), max(2, len(encoded) // 3)
    ranked = sorted(
        (-len(pairs & _pairs(other)) / (len(other) + length + 1), other)
        for other in set(btf._strings())
        if -slack <= len(other) - length <= slack and (other[:1] == encoded[:1] or other[-2:] == encoded[-2:])
    )
    found = []
    for score, other in ranked[:_LOOKED_UP]:
        candidate = other.decode(errors="surrogateescape")
        if score and btf._find_id(candidate, kind) >= 0:
            found.append(candidate if kind is None else f"{kind.name.lower()} {candidate}")
    if kind is not None:
        type_id = btf._find_id(name, None)
        if type_id >= 0:
            found.insert(0, f"{btf[type_id].kind.name.lower()} {name}")
    return found


def _pairs(name: bytes) -> set[bytes]:
    return {name[index : index + 2] for index in range(len(name) - 1)}
