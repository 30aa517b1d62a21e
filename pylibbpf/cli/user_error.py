# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""UserError: what the user of a command can put right."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right: the message says what, and how."""
