# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The global variables of a skeleton, as attributes that are their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, overload

from ..suggestions import close_matches, did_you_mean
from .typevars import Read, Written

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..maps import Variable
    from ..object import Object


class Variables:
    """The global variables of a skeleton, an attribute for each, which is the variable's value.

    Setting one before load sets what the programs start with; those of `.rodata` can be set only then. After
    load, reads and writes go to the memory that the programs use, with no system call.

    A struct or array that is read is a copy, as `Variable.value` says: set it as a whole, or write a part in
    place with `skeleton.object.variables["limits"]["rate"] = 5`, or use `Variable.view()` after load.
    """

    __slots__ = ("_found", "_object")

    def __init__(self, obj: Object) -> None:
        self._object = obj
        self._found: dict[str, Variable] = {}

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            if not hasattr(type(self), name):
                close = [f"'{match}'" for match in close_matches(name, dir(type(self)), 1)]
                raise AttributeError(f"{type(self).__name__} has no variable '{name}'{did_you_mean(close)}")
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        names = [name for name, value in vars(type(self)).items() if isinstance(value, Constant)]
        return f"<{type(self).__name__}: {', '.join(names) or 'none'}>"


class Constant(Generic[Read]):
    """The declaration of a variable that is never set: one of `.kconfig`.

    Args:
        section: the section it is in, ".bss".
        name: its name in C, if the attribute has another.
        index: which one it is of those with this name in the section, from 0: static variables of several
            files or functions may share it.
    """

    def __init__(self, section: str, name: str = "", index: int = 0) -> None:
        self._section = section
        self._name = name
        self._index = index

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._attribute = name
        self._name = self._name or name

    @overload
    def __get__(self, instance: None, owner: object = None) -> Self: ...
    @overload
    def __get__(self, instance: Variables, owner: object = None) -> Read: ...
    def __get__(self, instance: Variables | None, owner: object = None) -> Self | Read:
        if instance is None:
            return self
        value: Read = self._of(instance).value
        return value

    def _of(self, instance: Variables) -> Variable:
        found = instance._found.get(self._attribute)
        if found is None:
            found = instance._found[self._attribute] = self._find(instance._object)
        return found

    def _find(self, obj: Object) -> Variable:
        obj.variables  # noqa: B018 - which reads the sections
        return [
            variable
            for map in obj.maps.values()
            if map._section is not None and map._section.name == self._section
            for variable in map._section.variables
            if variable.name == self._name
        ][self._index]

    if TYPE_CHECKING:

        def __set__(self, instance: Variables, value: NoReturn) -> None: ...
    else:

        def __set__(self, instance, value):
            # For .kconfig this raises the error that says how it is set.
            self._of(instance).value = value


class Global(Constant[Read], Generic[Read, Written]):
    """The declaration of a variable that can be set."""

    if TYPE_CHECKING:

        def __set__(self, instance: Variables, value: Written) -> None: ...
