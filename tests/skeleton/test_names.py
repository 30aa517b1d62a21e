# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Names of C that are no names of Python, that others have too, or that C does not give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.skeleton import compile_object
from pylibbpf.skeleton.naming import Names, attribute, class_name, member
from tests.skeleton.making import make

pytestmark = pytest.mark.host("nothing here depends on the kernel")


def test_keywords_have_an_underscore_behind_them(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert skeleton.programs.import_.name == "import"
        assert skeleton.maps.from_.name == "from"
        assert skeleton.variables.lambda_ == 10
    assert odd.Colour.None_ == 7


def test_enumerators_with_two_underscores_have_one(odd: Any) -> None:
    assert [str(colour) for colour in odd.Colour] == ["RED", "GREEN", "None_", "_LAST"]


def test_a_field_with_the_name_of_a_keyword_is_read_written_and_given(odd: Any) -> None:
    record = odd.Record(from_=3, bytes=4)
    assert (record.from_, record.bytes, getattr(record, "from")) == (3, 4, 3)
    record.from_ = 5
    assert record.asdict()["from"] == 5
    assert odd.Record(record.asdict()) == record
    with pytest.raises(OverflowError, match=r"record\.from"):
        record.from_ = -1


def test_fields_that_the_module_or_ctypes_has_names_for(odd: Any) -> None:
    record = odd.Record(skeleton_=1, self=2, initial=3, _fields__=4, __depth=5)
    assert (record.skeleton_, record.self, record.initial, record._fields__) == (1, 2, 3, 4)
    assert getattr(record, "__depth") == 5


def test_an_unknown_field_is_an_error_at_run_time_too(odd: Any) -> None:
    with pytest.raises(TypeError, match="did you mean 'label'"):
        odd.Record(labels=b"")
    with pytest.raises(AttributeError, match="has no field 'colours'"):
        odd.Record().colours = 1


def test_a_map_of_the_author_goes_before_a_section_of_the_same_name(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert skeleton.maps.bss.name == "bss"
        assert skeleton.maps.bss_ is skeleton.object.maps[".bss"]


def test_sections_that_differ_in_a_dot_have_different_names(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert (skeleton.maps.data_a_b.name, skeleton.maps.data_a_b_.name) == (".data.a.b", ".data.a_b")
        assert (skeleton.variables.first, skeleton.variables.second) == (1, 2)


def test_static_variables_of_functions_are_named_by_their_function(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert (skeleton.variables.hidden, skeleton.variables.step_counter) == (4, 100)
        assert skeleton.variables.stride_counter == 200


def test_an_unknown_variable_cannot_be_set(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton, pytest.raises(AttributeError, match="did you mean 'lambda_'"):
        skeleton.variables.lambada = 1


def test_anonymous_types_are_named_by_what_they_are_of(odd: Any) -> None:
    assert repr(odd.TrafficValue(packets=1)) == "TrafficValue(packets=1, bytes=0)"
    assert odd.Record().state is odd.RecordState.IDLE
    assert type(odd.Record().kernel) is odd.RecordKernel
    assert type(odd.Record().corners[0]) is odd.PointT


def test_static_variables_of_several_files_may_have_one_name(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.bpf.c").write_text(
            f'static volatile int shared __attribute__((section(".data"))) = {value};\n'
            f'__attribute__((section("socket"))) int {name}(void *context) {{ return shared; }}\n'
            f'char license_{name}[] __attribute__((section("license"))) = "GPL";\n'
        )
        compile_object(tmp_path / f"{name}.bpf.c", tmp_path / f"{name}.bpf.o")
    with bpf.Linker(tmp_path / "linked.bpf.o") as linker:
        linker.add(tmp_path / "one.bpf.o")
        linker.add(tmp_path / "two.bpf.o")
    with make(tmp_path / "linked.bpf.o", tmp_path).Linked.open() as linked:
        assert (linked.variables.shared, linked.variables.shared_) == (1, 2)
        linked.variables.shared_ = 3
        assert (linked.variables.shared, linked.variables.shared_) == (1, 3)


def test_an_object_without_types_has_values_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "bare.bpf.c").write_text(
        'int total;\n__attribute__((section("socket"))) int run(void *context) { return total; }\n'
    )
    compile_object(tmp_path / "bare.bpf.c", tmp_path / "bare.bpf.o", cflags=["-g0"])
    module = make(tmp_path / "bare.bpf.o", tmp_path)
    assert "bss: maps.ArrayMap[bytes]" in (tmp_path / "bare_skel.py").read_text()
    with module.Bare.open() as bare:
        assert bare.programs.run.name == "run"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("events", "events"), ("class", "class_"), (".data.counters", "data_counters"), ("4th", "_4th"),
        ("f.count", "f_count"), ("skeleton", "skeleton_"), ("match", "match"), ("", "_"),
    ],
)  # fmt: skip
def test_attributes(name: str, expected: str) -> None:
    assert attribute(name) == expected
    assert expected.isidentifier()


def test_members_do_not_begin_with_two_underscores() -> None:
    assert member("__bpf_usdt_specs") == "_bpf_usdt_specs"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("task_struct",), "TaskStruct"),
        (("sockaddr_in6",), "SockaddrIn6"),
        (("Event", "pos"), "EventPos"),
        (("none",), "None_"),
        (("__x___old",), "XOld"),
    ],
)
def test_class_names(words: tuple[str, ...], expected: str) -> None:
    assert class_name(*words) == expected


def test_a_name_is_given_once() -> None:
    names = Names({"taken"})
    assert [names.take("a"), names.take("a"), names.take("a"), names.take("taken", "other")] == [
        *("a", "a_2", "a_3", "other"),
    ]
