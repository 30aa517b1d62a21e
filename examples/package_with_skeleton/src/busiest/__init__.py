# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The processes that make the most system calls."""
