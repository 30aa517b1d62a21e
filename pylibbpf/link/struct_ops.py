# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of struct_ops maps."""

from __future__ import annotations

from .link import Link


class StructOpsLink(Link):
    """A struct_ops map, registered with the kernel."""

    _updatable = True
