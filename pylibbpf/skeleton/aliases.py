# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Other names for the fields that Python cannot name: `event.from_` is the field "from"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from .naming import Names, attribute


def field_attributes(fields: Iterable[str]) -> dict[str, str]:
    """The attributes of a struct's fields, by the names of the fields."""
    fields = list(fields)
    names = Names(field for field in fields if attribute(field) == field)
    return {field: field if attribute(field) == field else names.take(attribute(field)) for field in fields}


def add_aliases(cls: type[Any]) -> None:
    """Gives the class of a struct attributes for the fields whose names are none."""
    attributes = field_attributes(cls.__codec__.fields)
    fields = {alias: field for field, alias in attributes.items() if alias != field}
    for alias, field in fields.items():
        setattr(cls, alias, property(attrgetter(field)))
    if fields:
        namespace: Any = cls
        namespace.__setattr__ = _aliased_setattr(namespace.__setattr__, fields)
        namespace.__init__ = _aliased_init(namespace.__init__, fields)


def _aliased_setattr(
    original: Callable[[Any, str, Any], None], fields: dict[str, str]
) -> Callable[[Any, str, Any], None]:
    def set_attribute(self: Any, name: str, value: Any, /) -> None:
        original(self, fields.get(name, name), value)

    return set_attribute


def _aliased_init(original: Callable[..., None], fields: dict[str, str]) -> Callable[..., None]:
    def initialise(self: Any, /, *value: Any, **given: Any) -> None:
        original(self, *value, **{fields.get(name, name): field for name, field in given.items()})

    return initialise
