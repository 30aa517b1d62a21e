# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""vmlinux.h: the kernel's types as C source, which programs that relocate (CO-RE) are compiled against."""

from __future__ import annotations

import os


def write_header(directory: str) -> bool:
    """Writes vmlinux.h of the running kernel into a directory.

    Returns:
        Whether it is there: False where the kernel has no BTF, which does no harm if no program needs it.

    libbpf: btf_dump__new.
    """
    from ..btf import Btf
    from ..errors import BpfError

    try:
        btf = Btf.vmlinux()
    except BpfError:
        return False
    with btf, open(os.path.join(directory, "vmlinux.h"), "w", encoding="utf-8") as file:
        file.write(btf.c_dump())
    return True
