# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Figures beside C on the same libbpf: `python -m benchmarks`, or `make bench`."""
