# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a skeleton says, without the bytes of its object: another clang makes others of the same source."""

from __future__ import annotations

import re
import zlib

from .embedding import from_text

# How `layout.embedding` begins, and what it has around the object.
_CALL = re.compile(r"^skeleton\.embed\($", re.MULTILINE)
_IMAGE = re.compile(r'^    image="""\n(.*)\n""",$', re.MULTILINE | re.DOTALL)


def declarations(source: str) -> str:
    """The part of a skeleton that its users see: all but the object and the ids of its types."""
    call = _CALL.search(source)
    return source[: call.start()] if call else source


def image(source: str) -> bytes | None:
    """The object in the source of a skeleton; None if it has none."""
    found = _IMAGE.search(source)
    try:
        return from_text(found[1]) if found else None
    except (ValueError, zlib.error):
        return None  # it was edited
