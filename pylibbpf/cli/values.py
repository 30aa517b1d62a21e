# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Values typed by BTF, as the user writes them and as commands write them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .output import printable
from .user_error import UserError

if TYPE_CHECKING:
    from ..btf.codec import Codec

SYNTAX = """
values are JSON, typed by BTF:
  7, -1, 0x1f, true, 2.5        numbers
  bash                          a char array, or the name of an enumerator
  '[1, 2, 3]'                   an array
  '{"pid": 1, "comm": "init"}'  a struct; fields that are left out are zero
  hex:0a000000                  the bytes themselves, whatever the type
without BTF a value is hex: or a number of the size of the value.
"""


# --- from the user ----------------------------------------------------------------------


def parse(text: str, codec: Codec, what: str) -> Any:
    """What the user wrote, as the codec takes it. UserError if it is no such value."""
    from ..btf.codec import CharArrayCodec, EnumCodec

    if text.startswith("hex:"):
        try:
            value: Any = bytes.fromhex(text.removeprefix("hex:"))
        except ValueError:
            raise UserError(f"the {what} '{text}' has something else than hexadecimal digits") from None
        if len(value) != codec.size:
            raise UserError(f"the {what} takes {codec.size} bytes, not {len(value)}")
        return codec.decode(value)
    is_text = isinstance(codec, CharArrayCodec) and not text.startswith(('"', "["))
    value = text if is_text else _literal(text)
    if isinstance(value, str) and isinstance(codec, EnumCodec) and value not in codec.enum.__members__:
        raise UserError(f"the {what} '{value}' is none of {', '.join(codec.enum.__members__)}")
    try:
        adapted = _adapt(value, codec)
        codec.encode(adapted, what)
    except (TypeError, ValueError, OverflowError) as error:
        type_words = "" if codec.name in str(error) else f" (the type is {codec.name})"
        raise UserError(f"{error}{type_words}") from None
    return adapted


def _literal(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return int(text, 0)  # also 0x1f
    except ValueError:
        if text.startswith(("{", "[", '"')):
            raise UserError(f"'{text}' is no JSON") from None
        return text


def _adapt(value: Any, codec: Codec) -> Any:
    """What JSON has, as the codec takes it: text for char arrays, structs with fields left out."""
    from ..btf.codec import ArrayCodec, BytesCodec, CharArrayCodec, EnumCodec
    from ..btf.layout import StructCodec

    if isinstance(value, str) and isinstance(codec, CharArrayCodec):
        return value.encode(errors="surrogateescape")
    if type(value) is int and isinstance(codec, BytesCodec):
        # Without a type: as a program of this machine would write it.
        return value.to_bytes(codec.size, sys.byteorder, signed=value < 0)
    if isinstance(value, str) and isinstance(codec, EnumCodec):
        return codec.number(value, "")
    if isinstance(value, dict) and isinstance(codec, StructCodec):
        known = codec.fields
        fields = {
            name: _adapt(item, known[name].codec) if name in known else item for name, item in value.items()
        }
        return codec.cls(**fields)
    if isinstance(value, list) and isinstance(codec, ArrayCodec):
        return [_adapt(item, codec.element) for item in value]
    return value


# --- for the user -----------------------------------------------------------------------


def plain_value(value: Any, codec: Codec | None = None) -> Any:
    """A typed value as JSON has it: char arrays as text, enumerators by name, raw bytes as hexadecimal
    digits."""
    from ..btf.codec import BytesCodec, CharArrayCodec, EnumValue, Opaque

    if isinstance(value, (Opaque, memoryview)) or (
        isinstance(value, bytes) and isinstance(codec, BytesCodec) and not isinstance(codec, CharArrayCodec)
    ):
        return bytes(value).hex()
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode(errors="backslashreplace")
    if isinstance(value, EnumValue):
        return value.name
    if hasattr(value, "asdict"):
        return {name: plain_value(item) for name, item in value.asdict().items()}
    if isinstance(value, dict):
        return {name: plain_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [plain_value(item) for item in value]
    return value


def typed_text(plain: Any) -> str:
    """A value of `plain_value` on one line."""
    import json

    if isinstance(plain, dict):
        return "{" + ", ".join(f"{name}: {quoted_text(item)}" for name, item in plain.items()) + "}"
    if isinstance(plain, str):
        return printable(plain)
    if isinstance(plain, list):
        return "[" + ", ".join(quoted_text(item) for item in plain) + "]"
    return json.dumps(plain)


def quoted_text(plain: Any) -> str:
    """The same, with quotes around text."""
    import json

    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, str) else typed_text(plain)
