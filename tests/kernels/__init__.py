# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The kernel matrix: Debian's kernels booted under qemu, with the test suite run inside each."""
