# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of tracing programs: fentry, fexit, fmod_ret, LSM, freplace."""

from __future__ import annotations

from .link import Link


class TracingLink(Link):
    """A tracing, LSM or extension program, attached to a function."""
