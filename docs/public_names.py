# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A Sphinx extension that warns of every public name that the manual does not describe."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sphinx.util import logging

import pylibbpf

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# The way down to plain libbpf: what they have is libbpf's to describe.
PLAIN_LIBBPF = {"ffi", "lib"}

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-check-consistency", warn)
    return {"parallel_read_safe": True}


def warn(app: Sphinx, env: BuildEnvironment) -> None:
    objects = env.domaindata["py"]["objects"]
    modules = [name for name, entry in objects.items() if entry.objtype == "module"]
    for name in missing(set(objects), sorted(modules)):
        logger.warning("%s is public and described nowhere: does it have a docstring?", name)


def missing(described: set[str], modules: list[str]) -> Iterator[str]:
    """The public names that are not among those that the manual describes.

    Args:
        described: the full names of all that it describes.
        modules: the names of the modules among them.
    """
    modules = [name for name in modules if name != pylibbpf.__name__]
    found = {id(value) for name in modules for _, value in public(importlib.import_module(name))}
    for name, value in public(pylibbpf):
        if isinstance(value, ModuleType):
            if name not in PLAIN_LIBBPF and value.__name__ not in described:
                yield value.__name__
        elif name not in PLAIN_LIBBPF and id(value) not in found and f"pylibbpf.{name}" not in described:
            yield f"pylibbpf.{name}"
    for module in modules:
        for name, value in public(importlib.import_module(module)):
            full_name = f"{module}.{name}"
            if full_name not in described:
                yield full_name
            elif inspect.isclass(value):
                yield from (each for each in methods(full_name, value) if each not in described)


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public names of a module: what `__all__` has, or else the functions and classes it defines."""
    if hasattr(module, "__all__"):
        yield from ((name, getattr(module, name)) for name in module.__all__)
        return
    for name, value in vars(module).items():
        is_defined = inspect.isclass(value) or inspect.isfunction(value)
        if is_defined and not name.startswith("_") and value.__module__ == module.__name__:
            yield name, value


def methods(full_name: str, of: type) -> Iterator[str]:
    """The public methods and properties that a class defines."""
    for name, value in vars(of).items():
        kinds = (property, classmethod, staticmethod)
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds)):
            yield f"{full_name}.{name}"
