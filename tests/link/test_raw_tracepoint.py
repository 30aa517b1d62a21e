# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Raw tracepoints, with raw arguments and with BTF."""

from __future__ import annotations

import os
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.link import Link, RawTracepointLink, attach_raw_tracepoint, attach_tracing
from pylibbpf.programs import BtfTracePoint, RawTracePoint, RawTracePointWritable
from tests.link.harness import LinkConformance


class _OnSysEnter(LinkConformance):
    object, link_class = "spine", RawTracepointLink

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        assert info.name == "sys_enter"


class TestRawTracePoint(_OnSysEnter):
    program, kind = "raw_tracepoint", RawTracePoint

    def attach(self, program: Any, where: Any) -> Link:
        return attach_raw_tracepoint(program, "sys_enter")


class TestBtfTracePoint(_OnSysEnter):
    program, kind = "btf_tracepoint", BtfTracePoint

    def attach(self, program: Any, where: Any) -> Link:
        return attach_tracing(program)


class TestRawTracePointWritable(LinkConformance):
    object, program, kind = "runs", "on_finish", RawTracePointWritable
    link_class = RawTracepointLink

    @pytest.fixture
    def where(self, _loaded: bpf.Object) -> Any:
        return _loaded.programs["mark"]

    def attach(self, program: Any, where: Any) -> Link:
        return attach_raw_tracepoint(program, "bpf_test_finish")

    def trigger(self, where: Any) -> None:
        where.test_run(bytes(64))

    def check(self, info: Any, where: Any) -> None:
        assert info.name == "bpf_test_finish"
