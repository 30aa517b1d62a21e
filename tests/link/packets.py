# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the tests of programs on packets have in common: packets.bpf.c, and datagrams over loopback."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import pylibbpf as bpf
from pylibbpf.link import Link
from tests.link.harness import AttachmentConformance, Subject
from tests.link.places import Datagrams

# The index of the loopback interface in every namespace.
LOOPBACK = 1


class OnDatagrams(AttachmentConformance):
    """A program on the loopback interface, which counts the datagrams that are sent."""

    object: ClassVar[str] = "packets"

    @pytest.fixture
    def where(self, datagrams: Datagrams) -> Any:
        return datagrams

    def fires(self, subject: Subject, where: Any, link: Link, name: str = "") -> bool:
        subject.obj.variables["port"].value = where.port
        return super().fires(subject, where, link, name)

    def trigger(self, where: Any) -> None:
        assert where.send()


def loaded(obj: bpf.Object, *names: str) -> list[Any]:
    """Loads the object with these programs only, and returns them."""
    for name in names:
        obj.programs[name].autoload = True
    obj.load()
    return [obj.programs[name] for name in names]
