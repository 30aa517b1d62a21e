# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on lightweight tunnel routes.

Routes belong to the network's configuration: who makes one names the pin of a program,
`ip route add 10.0.0.0/8 dev eth0 encap bpf xmit pinned /sys/fs/bpf/NAME`. There is no link.
"""

from __future__ import annotations

from ..enums import ProgramType
from .alone import LoadedAlone


class LwtIn(LoadedAlone):
    """Runs on what a route receives, and may drop it: `encap bpf in`.

    Section: lwt_in. Kernel: 4.10.
    """

    _type = ProgramType.LWT_IN
    _sections = ("lwt_in",)


class LwtOut(LoadedAlone):
    """Runs on what a route sends, and may drop it: `encap bpf out`.

    Section: lwt_out. Kernel: 4.10.
    """

    _type = ProgramType.LWT_OUT
    _sections = ("lwt_out",)


class LwtXmit(LoadedAlone):
    """Runs on what a route transmits, and may push headers: `encap bpf xmit`.

    Section: lwt_xmit. Kernel: 4.10.
    """

    _type = ProgramType.LWT_XMIT
    _sections = ("lwt_xmit",)


class LwtSeg6Local(LoadedAlone):
    """Runs on a segment routing endpoint: `encap seg6local action End.BPF endpoint`.

    Section: lwt_seg6local. Kernel: 4.18.
    """

    _type = ProgramType.LWT_SEG6LOCAL
    _sections = ("lwt_seg6local",)
