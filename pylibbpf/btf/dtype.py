# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""NumPy dtypes of BTF types.

| BTF | dtype |
| --- | --- |
| integer, enum, pointer | integer of the same size and sign |
| bool, float, double | bool, float32, float64 |
| char array | S, which NumPy reads without trailing NULs |
| other array | subarray |
| struct, union | structured, at BTF's offsets; fields of anonymous members stand among the others |
| bitfields | the integer they share, by the names and widths of all: "a:3 b:5" |
| 128-bit integers, long double, bitfields that share an odd number of bytes | V, opaque bytes |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .codec import ArrayCodec, CharArrayCodec, Codec
from .layout import BitField, StructCodec

if TYPE_CHECKING:
    import numpy


def dtype_of(codec: Codec) -> numpy.dtype[Any]:
    """The dtype whose memory is that of a codec's values."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("dtypes need NumPy: pip install 'pylibbpf[numpy]'", name="numpy") from error
    made: numpy.dtype[Any] = numpy.dtype(_described(codec))
    return made


def _described(codec: Codec) -> Any:
    if isinstance(codec, StructCodec):
        return _described_struct(codec)
    if isinstance(codec, CharArrayCodec):
        # NumPy takes S0 for "as long as it needs to be".
        return f"S{codec.size}" if codec.size else ("u1", (0,))
    if isinstance(codec, ArrayCodec):
        lengths: list[int] = []
        while isinstance(codec, ArrayCodec):
            lengths.append(codec.length)
            codec = codec.element
        return (_described(codec), tuple(lengths))
    return f"={codec.format}" if codec.format else f"V{codec.size}"


def _described_struct(codec: StructCodec) -> dict[str, Any]:
    units: dict[str, list[BitField]] = {}
    places: dict[str, tuple[Any, int]] = {}
    for field in codec.fields.values():
        if isinstance(field, BitField):
            units.setdefault(field.storage, []).append(field)
        else:
            places[field.name] = (_described(field.codec), field.offset)
    for shared in units.values():
        name = " ".join(f"{field.name}:{field.width}" for field in shared)
        size, offset = shared[0].size, shared[0].offset
        places[name] = (f"=u{size}" if size in (1, 2, 4, 8) else f"V{size}", offset)
    ordered = sorted(places.items(), key=lambda item: item[1][1])
    return {
        "names": [name for name, _ in ordered],
        "formats": [format for _, (format, _) in ordered],
        "offsets": [offset for _, (_, offset) in ordered],
        "itemsize": codec.size,
    }
