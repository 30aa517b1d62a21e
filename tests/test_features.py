# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel supports: the answers are those of the table, on every kernel of the matrix."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import MapType, NotSupportedError, PermissionDeniedError, ProgramType, features
from pylibbpf._native import lib
from pylibbpf.btf import Kind
from pylibbpf.enums import AttachFlags, AttachType, LinkType, ProgramFlags
from pylibbpf.helpers import Helper
from tests import requirements
from tests.maps.conftest import nolock_allocation


@requirements.requirement(
    "probes",
    "libbpf's probes for the newest types, since libbpf 1.7",
    found="every kernel: the vendored libbpf has them",
)
def probes() -> bool:
    return (lib.libbpf_major_version(), lib.libbpf_minor_version()) >= (1, 7)


pytestmark = pytest.mark.needs("root", "probes")

HEADER = Path(__file__).resolve().parents[1] / "libbpf" / "include" / "uapi" / "linux" / "bpf.h"

# Linux that brought what 5.10 does not have. What is not listed, all kernels of the matrix have.
PROGRAM_TYPES = {"SYSCALL": "5.14", "NETFILTER": "6.4"}
MAP_TYPES = {
    "TASK_STORAGE": "5.11",
    "BLOOM_FILTER": "5.16",
    "USER_RINGBUF": "6.1",
    "CGRP_STORAGE": "6.2",
    "ARENA": "6.9",
    "INSN_ARRAY": "6.19",
}
LINK_TYPES = {
    "PERF_EVENT": "5.15",
    "KPROBE_MULTI": "5.18",
    "STRUCT_OPS": "6.4",
    "NETFILTER": "6.4",
    "TCX": "6.6",
    "UPROBE_MULTI": "6.6",
    "NETKIT": "6.7",
    "SOCKMAP": "6.10",
}
ATTACH_TYPES = {
    "SK_SKB_VERDICT": "5.13",
    "SK_REUSEPORT_SELECT": "5.14",
    "SK_REUSEPORT_SELECT_OR_MIGRATE": "5.14",
    "PERF_EVENT": "5.15",
    "TRACE_KPROBE_MULTI": "5.18",
    "LSM_CGROUP": "6.0",
    "STRUCT_OPS": "6.4",
    "NETFILTER": "6.4",
    "TCX_INGRESS": "6.6",
    "TCX_EGRESS": "6.6",
    "TRACE_UPROBE_MULTI": "6.6",
    "CGROUP_UNIX_CONNECT": "6.7",
    "CGROUP_UNIX_SENDMSG": "6.7",
    "CGROUP_UNIX_RECVMSG": "6.7",
    "CGROUP_UNIX_GETPEERNAME": "6.7",
    "CGROUP_UNIX_GETSOCKNAME": "6.7",
    "NETKIT_PRIMARY": "6.7",
    "NETKIT_PEER": "6.7",
    "TRACE_KPROBE_SESSION": "6.10",
    "TRACE_UPROBE_SESSION": "6.13",
    "TRACE_FSESSION": "7.0",
}
PROGRAM_FLAGS = {
    "XDP_HAS_FRAGS": "5.18",
    "XDP_DEV_BOUND_ONLY": "6.3",
    "TEST_REG_INVARIANTS": "6.8",
    "TOKEN_FD": "6.9",
}
# PREORDER came with 6.15, and stable releases of 6.12 have it too.
CGROUP_FLAGS = {"PREORDER": "6.12", "BEFORE": "6.17", "AFTER": "6.17", "ID": "6.17", "LINK": "6.17"}
TCX_FLAGS = {"REPLACE": "6.6", "BEFORE": "6.6", "AFTER": "6.6", "ID": "6.6", "LINK": "6.6"}
BTF_KINDS = {"FLOAT": "5.13", "DECL_TAG": "5.16", "TYPE_TAG": "5.17", "ENUM64": "6.0"}
HELPERS = {
    ("bpf_ringbuf_output", "XDP"): "5.8",
    ("bpf_map_lookup_elem", "SOCKET_FILTER"): "3.18",
    ("bpf_seq_printf", "TRACING"): "5.7",
    ("bpf_sock_from_file", "TRACING"): "5.11",
    ("bpf_get_current_task_btf", "KPROBE"): "5.11",
    ("bpf_for_each_map_elem", "SCHED_CLS"): "5.13",
    ("bpf_loop", "TRACEPOINT"): "5.17",
    ("bpf_user_ringbuf_drain", "SOCKET_FILTER"): "6.1",
    ("bpf_cgrp_storage_get", "KPROBE"): "6.2",
}
# Nowhere: not for this type of program.
NEVER = [("bpf_redirect", "KPROBE"), ("bpf_override_return", "XDP"), ("bpf_seq_printf", "SOCKET_FILTER")]

# What is left out by the configuration of a kernel, or refused there to everybody (docs/testing.rst).
NOT_CONFIGURED: dict[str, dict[str, tuple[str, ...]]] = {
    "program_types": {"LIRC_MODE2": ("5.10", "6.1", "6.12", "6.18", "7.0", "7.1", "7.2")},
    "link_types": {"KPROBE_MULTI": ("6.1", "6.18"), "NETKIT": ("6.18",)},
}


def expected(since: dict[str, str], names: Any, part: str = "") -> dict[str, bool]:
    release = "{}.{}".format(*requirements.kernel_version())
    missing = {name for name, kernels in NOT_CONFIGURED.get(part, {}).items() if release in kernels}
    return {
        name: name not in missing
        and requirements.kernel_version() >= requirements.parse_version(since.get(name, "3.0"))
        for name in names
    }


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return features.report()


@pytest.mark.host("the header is not in the guests")
def test_helpers_are_those_of_the_header() -> None:
    mapper = HEADER.read_text().partition("#define ___BPF_FUNC_MAPPER(FN, ctx...)")[2].partition("*/")[0]
    named = {name.upper(): int(value) for name, value in re.findall(r"FN\((\w+), (\d+), ##ctx\)", mapper)}
    assert len(named) > 200
    assert {helper.name: int(helper) for helper in Helper} == named


def test_program_types_are_those_of_the_table(report: dict[str, Any]) -> None:
    found = report["program_types"]
    wanted: dict[str, bool | None] = dict(
        expected(PROGRAM_TYPES, [type.name for type in ProgramType if type], "program_types")
    )
    # Where the kernel refuses all programs that need a trampoline, nobody can tell.
    refused = {name for name in ("EXT", "LSM") if found[name] is None}
    assert not refused or not requirements.fentry()
    assert found == wanted | dict.fromkeys(refused)


def test_map_types_are_those_of_the_table(report: dict[str, Any]) -> None:
    found = report["map_types"]
    wanted: dict[str, bool | None] = dict(expected(MAP_TYPES, [type.name for type in MapType if type]))
    # Memory that the emulated CPU cannot allocate is no answer.
    without_memory = {name for name in ("ARENA",) if found[name] is None}
    assert not without_memory or not nolock_allocation()
    assert found == wanted | dict.fromkeys(without_memory)


def test_link_types_are_those_of_the_table(report: dict[str, Any]) -> None:
    assert report["link_types"] == expected(
        LINK_TYPES, [type.name for type in LinkType if type], "link_types"
    )


def test_attach_types_are_those_of_the_table(report: dict[str, Any]) -> None:
    assert report["attach_types"] == expected(ATTACH_TYPES, AttachType.__members__)


def test_flags_and_kinds_are_those_of_the_table(report: dict[str, Any]) -> None:
    assert report["program_flags"] == expected(PROGRAM_FLAGS, ProgramFlags.__members__)
    assert report["btf_kinds"] == expected(BTF_KINDS, [kind.name for kind in Kind if kind])
    assert report["attach_flags"]["cgroup"] == expected(CGROUP_FLAGS, AttachFlags.__members__)
    never = dict.fromkeys(("ALLOW_OVERRIDE", "ALLOW_MULTI", "PREORDER"), False)
    assert report["attach_flags"]["tcx"] == expected(TCX_FLAGS, AttachFlags.__members__) | never


def test_limits_are_those_of_the_machine(report: dict[str, Any]) -> None:
    limits = report["limits"]
    assert (limits["instructions"], limits["bounded_loops"]) == (1_000_000, True)
    assert limits["page_size"] == os.sysconf("SC_PAGE_SIZE")
    assert limits["possible_cpus"] >= (os.cpu_count() or 1)
    versions = [1, 2, 3, 4] if requirements.kernel_version() >= (6, 6) else [1, 2, 3]
    assert report["instruction_sets"] == versions
    for wrong in (5, "v3"):
        with pytest.raises(ValueError, match="1, 2, 3, 4"):
            features.has_instructions(wrong)


@pytest.mark.parametrize(("helper", "program_type"), HELPERS)
def test_helpers_are_those_of_the_table(helper: str, program_type: str) -> None:
    since = requirements.parse_version(HELPERS[helper, program_type])
    assert features.has_helper(helper, ProgramType[program_type]) == (requirements.kernel_version() >= since)


@pytest.mark.parametrize(("helper", "program_type"), NEVER)
def test_helpers_of_other_program_types_are_not_there(helper: str, program_type: str) -> None:
    assert not features.has_helper(helper, ProgramType[program_type])


def test_helpers_are_listed() -> None:
    found = features.helpers(ProgramType.XDP)
    assert {Helper.XDP_ADJUST_HEAD, Helper.REDIRECT_MAP} <= found
    assert Helper.SKB_STORE_BYTES not in found


def test_helpers_can_be_named_as_one_likes() -> None:
    for helper in (
        Helper.RINGBUF_OUTPUT,
        130,
        "bpf_ringbuf_output",
        "ringbuf_output",
        "BPF_FUNC_ringbuf_output",
    ):
        assert features.has_helper(helper, ProgramType.XDP)
    with pytest.raises(ValueError, match="did you mean bpf_ringbuf_output"):
        features.has_helper("bpf_ringbuf_outputt", ProgramType.XDP)


def test_types_can_be_named_too() -> None:
    assert features.has_program_type("xdp") == features.has_program_type(ProgramType.XDP)
    assert features.has_map_type("HASH") == features.has_map_type(MapType.HASH)
    assert features.has_link_type("cgroup") == features.has_link_type(LinkType.CGROUP)
    assert features.has_attach_type("xdp") == features.has_attach_type(AttachType.XDP)
    assert features.has_helper("bpf_redirect_map", "xdp")
    assert features.has_attach_flag(AttachFlags.ALLOW_MULTI, "cgroup_inet_ingress")
    for ask, name, message in (
        (features.has_program_type, "xpd", "there is no program type 'xpd'; did you mean XDP"),
        (features.has_map_type, "ringbuff", "there is no map type 'ringbuff'; did you mean RINGBUF"),
        (features.has_link_type, "cgrup", "there is no link type 'cgrup'; did you mean CGROUP"),
        (features.has_attach_type, "tcx_ingres", "attach type 'tcx_ingres'; did you mean TCX_INGRESS"),
        (features.has_btf_kind, "flot", "'flot' is no kind of BTF type"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(name)
    with pytest.raises(ValueError, match="there is no program type 'bpf_loop'"):
        features.has_helper(ProgramType.XDP, "bpf_loop")  # the two mixed up


def test_what_nobody_can_tell_is_an_error() -> None:
    for type in (ProgramType.STRUCT_OPS, ProgramType.EXT):
        with pytest.raises(NotSupportedError, match="attach target"):
            features.has_helper(Helper.MAP_LOOKUP_ELEM, type)
    with pytest.raises(NotSupportedError, match="UNKNOWN_99"):
        features.has_link_type(99)
    with pytest.raises(NotSupportedError):
        features.has_map_type(99)
    with pytest.raises(NotSupportedError):
        features.has_program_type(99)


def test_a_report_is_data(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["kernel"] == os.uname().release


@pytest.mark.host("some thousand probes")
def test_a_report_has_helpers_by_program_type() -> None:
    found = features.report(helpers=True)["helpers"]
    assert "SKB_STORE_BYTES" in found["SCHED_CLS"]
    assert "STRUCT_OPS" not in found
    assert set(found) <= set(ProgramType.__members__)


def in_child_without_rights(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        os.setuid(65534)
        work()
        status = 0
    finally:
        os._exit(status)


def test_without_rights_there_is_no_false_answer() -> None:
    def ask() -> None:
        for probe in (features.has_map_type, features.has_program_type, features.has_helper):
            probe.cache_clear()
        for inconclusive in (
            lambda: features.has_map_type(MapType.LPM_TRIE),
            lambda: features.has_map_type(MapType.TASK_STORAGE),
            lambda: features.has_program_type(ProgramType.KPROBE),
            lambda: features.has_program_type(ProgramType.TRACING),
            lambda: features.has_helper(Helper.GET_STACK, ProgramType.KPROBE),
        ):
            with pytest.raises(PermissionDeniedError, match="CAP_BPF"):
                inconclusive()
        assert features.report()["map_types"]["LPM_TRIE"] is None
        assert features.has_link_type(LinkType.CGROUP)

    assert in_child_without_rights(ask) == 0
    assert features.has_map_type(MapType.LPM_TRIE)


def test_an_answer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert features.has_map_type(MapType.HASH)
    monkeypatch.setattr(features, "_probed", None)
    assert features.has_map_type(MapType.HASH)
