# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on static user-space probes."""

from __future__ import annotations

from ..enums import ProgramType
from .program import AutoAttached


class Usdt(AutoAttached):
    """Runs on a USDT probe of a program or library.

    libbpf finds the probe in the ELF notes and needs maps of the object to describe it, so
    that it works for programs of an `Object` only. Section: usdt/PATH:PROVIDER:NAME,
    usdt.s. Kernel: 4.3.
    """

    _type = ProgramType.KPROBE
    _sections = ("usdt", "usdt.s")
    _link_needs_object = True
