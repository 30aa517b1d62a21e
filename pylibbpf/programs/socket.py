# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on sockets and socket maps."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class SocketFilter(Program):
    """Filters what a socket receives.

    Section: socket. Kernel: 3.19.
    """

    _type = ProgramType.SOCKET_FILTER
    _sections = ("socket",)


class SkReuseport(Program):
    """Chooses the socket of an SO_REUSEPORT group.

    Section: sk_reuseport, sk_reuseport/migrate. Kernel: 4.19.
    """

    _type = ProgramType.SK_REUSEPORT
    _attach_types = (AttachType.SK_REUSEPORT_SELECT, AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE)
    _sections = ("sk_reuseport", "sk_reuseport/migrate")


class SkMsg(Program):
    """Intercepts messages that are sent on the sockets of a SockMap or SockHash.

    Passes, drops or redirects what sendmsg() and sendfile() send. Section: sk_msg. Kernel:
    4.17; links from 6.10.
    """

    _type = ProgramType.SK_MSG
    _attach_types = (AttachType.SK_MSG_VERDICT,)
    _sections = ("sk_msg",)


class SkSkb(Program):
    """Parses and redirects what the sockets of a SockMap or SockHash receive.

    Section: sk_skb/stream_parser, sk_skb/stream_verdict, sk_skb/verdict. Kernel: 4.14;
    links from 6.10.
    """

    _type = ProgramType.SK_SKB
    _attach_types = (
        AttachType.SK_SKB_STREAM_PARSER,
        AttachType.SK_SKB_STREAM_VERDICT,
        AttachType.SK_SKB_VERDICT,
    )
    _sections = ("sk_skb", "sk_skb/stream_parser", "sk_skb/stream_verdict", "sk_skb/verdict")


class SkLookup(Program):
    """Chooses the listening socket for a new connection in a network namespace.

    Section: sk_lookup. Kernel: 5.9.
    """

    _type = ProgramType.SK_LOOKUP
    _attach_types = (AttachType.SK_LOOKUP,)
    _sections = ("sk_lookup",)
