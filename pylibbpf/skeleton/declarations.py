# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the struct classes of a skeleton are declared with.

A skeleton only declares its structs: `embed` puts the classes that the object's BTF lays out in the place of
the declarations. So most of this is for type checkers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, overload

from ..btf.codec import EnumValue, Opaque
from ..btf.structs import ArrayValue, StructValue, UnionValue
from .typevars import Read, T, Written

__all__ = ["Array", "Elements", "EnumValue", "Initial", "Items", "Opaque", "Struct", "Union"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    from typing_extensions import Buffer

    class Struct(StructValue):
        """A struct of an object: `StructValue`, where type checkers know every field."""

        # The stubs of ctypes let every attribute pass, and so every misspelt field.
        __getattr__: None  # type: ignore[assignment,misc]
        __setattr__: None  # type: ignore[assignment,misc]

    class Union(UnionValue):
        """A union of an object: `UnionValue`, where type checkers know every field."""

        __getattr__: None  # type: ignore[assignment,misc]
        __setattr__: None  # type: ignore[assignment,misc]

    class Elements(Generic[Read, Written]):
        """An array in a struct: a sequence of fixed length that shares the struct's memory (`ArrayValue`)."""

        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[Read]: ...
        @overload
        def __getitem__(self, index: int, /) -> Read: ...
        @overload
        def __getitem__(self, index: slice, /) -> list[Read]: ...
        def __getitem__(self, index: Any, /) -> Any: ...
        @overload
        def __setitem__(self, index: int, value: Written, /) -> None: ...
        @overload
        def __setitem__(self, index: slice, value: Iterable[Written], /) -> None: ...
        def __setitem__(self, index: Any, value: Any, /) -> None: ...
        def tolist(self) -> list[Any]:
            """The elements in plain Python."""

    # What an array in a struct can be set to.
    Items: TypeAlias = Sequence[T] | Elements[T, Any]

    # What a struct or union can be made of besides its fields.
    Initial: TypeAlias = Mapping[str, Any] | Sequence[Any] | Buffer
else:
    Struct, Union, Elements, Items, Initial = StructValue, UnionValue, ArrayValue, Sequence, object


class Array(Generic[Read, Written]):
    """The declaration of an array in a struct: it reads as `Elements`, and is set to any `Items`."""

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: object = None) -> Elements[Read, Written]: ...
        def __set__(self, instance: object, value: Items[Written]) -> None: ...
