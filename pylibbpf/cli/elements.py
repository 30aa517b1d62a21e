# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The elements of a map for commands: typed keys and values, whatever the kind of map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .user_error import UserError
from .values import parse, plain_value

if TYPE_CHECKING:
    from ..maps import Map

_INSTEAD = {
    "RINGBUF": "`pylibbpf run` reads its events",
    "PERF_EVENT_ARRAY": "`pylibbpf run` reads its events",
    "USER_RINGBUF": "only programs read it",
    "QUEUE": "`pylibbpf map get` shows the next value, and `map pop` takes it",
    "STACK": "`pylibbpf map get` shows the next value, and `map pop` takes it",
    "BLOOM_FILTER": "it only tells whether a value may be there",
    "ARENA": "it is memory without elements",
}


def elements(map: Map) -> Iterator[tuple[Any, Any]]:
    """Every key with its value, as JSON has them. Global variables by their names.

    Raises:
        UserError: maps of this kind cannot be walked.
    """
    from ..maps.keyvalue import KeyValueMap

    variables = global_variables(map)
    if variables is not None:
        yield from variables.items()
        return
    key_codec, value_codec = map._chosen_codecs()
    if hasattr(map, "ids"):
        for key, id in map.ids().items():
            yield plain_value(key, key_codec), id
        return
    if not isinstance(map, KeyValueMap):
        instead = _INSTEAD.get(map.type.name, "the kernel does not let user space walk it")
        raise UserError(f"map '{map.name}' is of type {map.type.name}, which cannot be dumped: {instead}")
    for key, value in map.items():
        yield plain_value(key, key_codec), element_value(value, value_codec)


def element_value(value: Any, codec: Any) -> Any:
    """A value as JSON has it; of a per-CPU map a list."""
    if type(value) is list and getattr(codec, "length", None) is None:
        return [plain_value(item, codec) for item in value]
    return plain_value(value, codec)


def global_variables(map: Map) -> dict[str, Any] | None:
    """The variables of a map that holds an object's global data, by name; None for another map."""
    from ..btf.types import DataSec
    from ..maps.codecs import _kernel_btf

    info = map.info()
    if not info.btf_id or not info.btf_value_type_id:
        return None
    with _kernel_btf(info.btf_id) as btf:
        section = btf[info.btf_value_type_id]
        if not isinstance(section, DataSec):
            return None
        data = map.lookup_bytes(bytes(4)) or b""
        found = {}
        for variable in section.variables:
            codec = btf.codec(variable.type.type_id)  # type: ignore[attr-defined]
            content = data[variable.offset : variable.offset + variable.size]
            fits = codec.size == variable.size == len(content)
            found[variable.name] = plain_value(codec.decode(content), codec) if fits else content.hex()
        return found


def element_key(map: Map, text: str | None) -> Any:
    """The key that the user wrote."""
    codec = map._chosen_codecs()[0]
    if codec.size == 0:
        raise UserError(f"map '{map.name}' is of type {map.type.name}, which has no keys")
    if text is None:
        raise UserError(f"map '{map.name}' needs a key, of type {codec.name}")
    return parse(text, codec, "key")
