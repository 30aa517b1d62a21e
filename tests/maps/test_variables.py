# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Global variables: set before load, shared with the program after it, and never out of their section."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import ClosedError, NameNotFoundError, NotSupportedError, Object, StateError
from tests.maps.conftest import run
from tests.requirements import libbpf_version

pytestmark = pytest.mark.needs("root")

# libbpf resizes sections since 1.3.
RESIZES = libbpf_version() >= (1, 3)

START = {
    "step": 10,
    "balance": -5,
    "enabled": True,
    "label": b"hello",
    "table": [1, -2, 3, -4],
    "favourite": 6,
    "hidden": 77,
    "total": 0,
    "tuned": 3,
    "tail": [1],
    "quiet": 8,
}


def values(obj: Object) -> dict[str, Any]:
    return {name: obj.variables[name].value for name in START}


def test_every_global_has_its_section_and_its_initial_value(opened: Object) -> None:
    assert values(opened) == START
    assert opened.variables["template"].value.comm == b"template"
    assert {name: variable.section for name, variable in opened.variables.items()} == {
        **dict.fromkeys(("step", "template"), ".rodata"),
        **dict.fromkeys(("balance", "enabled", "label", "table", "favourite", "hidden"), ".data"),
        **dict.fromkeys(("total", "last", "kernel_version"), ".bss"),
        "tuned": ".data.tuning",
        "tail": ".data.tail",
        "quiet": ".data.quiet",
        "LINUX_KERNEL_VERSION": ".kconfig",
    }
    opened.load()
    assert values(opened) == START


def test_a_variable_knows_its_type_and_place(opened: Object) -> None:
    label = opened.variables["label"]
    assert (label.name, label.size, str(label.type)) == ("label", 16, "char[16]")
    assert label.map is opened.maps[".data"]
    assert opened.variables["template"].size == 40
    assert "label" in repr(label)
    with pytest.raises(NameNotFoundError, match="label"):
        opened.variables["labell"]


def test_what_is_set_before_load_is_what_the_program_starts_with(opened: Object) -> None:
    changes: dict[str, Any] = {
        "step": 1000,
        "balance": -1,
        "enabled": False,
        "label": b"bye",
        "table": [9, 8, 7, -6],
        "favourite": "GREEN",
        "tuned": 4,
        "quiet": 9,
    }
    for name, value in changes.items():
        opened.variables[name].value = value
    wanted = {**START, **changes, "favourite": 5}
    assert values(opened) == wanted
    opened.load()
    assert values(opened) == wanted
    opened.variables["enabled"].value = True
    run(opened)
    # (step) + (quiet - 8) + (tuned - 3)
    assert opened.variables["total"].value == 1000 + 1 + 1
    assert opened.variables["balance"].value == -2


def test_after_load_python_and_the_program_share_the_memory(loaded: Object) -> None:
    total, enabled, table = (loaded.variables[name] for name in ("total", "enabled", "table"))
    total.value = 1 << 40
    run(loaded)
    assert total.value == (1 << 40) + 10
    enabled.value = False
    run(loaded)
    assert total.value == (1 << 40) + 10
    table.value = [5, 6, 7, 8]
    assert table.raw == b"".join(value.to_bytes(4, "little") for value in (5, 6, 7, 8))
    # The kernel says the same.
    value: Any = loaded.maps[".bss"].lookup_bytes(bytes(4))
    assert value[total.offset : total.offset + 8] == total.raw


def test_structs_are_read_whole_and_written_whole(loaded: Object) -> None:
    last = loaded.variables["last"]
    event = last.value
    event.pid = 77
    assert last.value.pid == 0
    last.value = event
    assert last.value.pid == 77
    run(loaded)
    assert last.value.pid == 77


def test_rodata_cannot_be_written_after_load(loaded: Object) -> None:
    step = loaded.variables["step"]
    assert step.read_only
    for write in (lambda: setattr(step, "value", 5), lambda: setattr(step, "raw", bytes(4))):
        with pytest.raises(StateError, match=r"\.rodata.*read-only"):
            write()
    assert step.value == 10
    with pytest.raises(StateError):
        step.value = 6
    assert not loaded.variables["total"].read_only
    memory = step.memory()
    assert memory.readonly
    with pytest.raises(TypeError):
        memory[0] = 1


def test_kconfig_is_known_after_load_and_never_written(opened: Object) -> None:
    version = opened.variables["LINUX_KERNEL_VERSION"]
    assert version.read_only
    for use in (lambda: version.value, lambda: version.raw, lambda: setattr(version, "value", 1)):
        with pytest.raises(StateError, match="kconfig"):
            use()
    opened.load()
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    assert (version.value >> 16, version.value >> 8 & 0xFF) == release
    with pytest.raises(StateError, match="kconfig"):
        version.value = 1
    run(opened)
    assert opened.variables["kernel_version"].value == version.value


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_value_that_does_not_fit_writes_nothing(opened: Object, when: str) -> None:
    if when == "after":
        opened.load()
    cases: list[tuple[str, Any]] = [
        *[("total", value) for value in (-1, 1 << 64, 1.0, "1", None, b"1234")],
        *[("balance", 1 << 31), ("hidden", 65536), ("enabled", 2), ("favourite", "PINK")],
        *[("label", b"x" * 17), ("label", "text"), ("table", [1, 2, 3]), ("table", [1, 2, 3, 1 << 31])],
        *[("last", {"pid": -1}), ("last", {"typo": 1})],
    ]
    for name, value in cases:
        variable = opened.variables[name]
        before = variable.value, opened.maps[variable.section].initial_value
        with pytest.raises((OverflowError, TypeError, ValueError)):
            variable.value = value
        assert opened.maps[variable.section].initial_value == before[1], (name, value)


def test_a_shorter_text_leaves_nothing_of_the_longer_one(loaded: Object) -> None:
    label = loaded.variables["label"]
    label.value = b"a long label"
    label.value = b"ab"
    assert label.raw == b"ab" + bytes(14)


def test_raw_takes_exactly_its_bytes(opened: Object) -> None:
    total = opened.variables["total"]
    for state in ("before load", "after load"):
        total.raw = bytearray(b"\1\2\3\4\5\6\7\0")
        assert total.value == 0x07060504030201, state
        for wrong in (b"", bytes(7), bytes(9)):
            with pytest.raises(ValueError, match="8 bytes"):
                total.raw = wrong
        if state == "before load":
            opened.load()


def test_a_section_of_static_variables_only_is_reached_through_its_map(loaded: Object) -> None:
    quiet = loaded.variables["quiet"]
    assert quiet.value == 8
    quiet.value = 108
    assert quiet.value == 108
    run(loaded)
    assert loaded.variables["total"].value == 110
    with pytest.raises(NotSupportedError):
        quiet.memory()


@pytest.mark.kernel("5.2", "freezing maps")
def test_a_frozen_section_is_read_only(opened: Object) -> None:
    opened.load()
    opened.maps[".data.quiet"].freeze()
    with pytest.raises(StateError, match="frozen"):
        opened.variables["quiet"].value = 1
    assert opened.variables["quiet"].value == 8


def test_memory_is_shared_in_place_and_outlives_the_object(loaded: Object) -> None:
    total = loaded.variables["total"]
    memory = total.memory().cast("Q")
    run(loaded)
    assert memory[0] == 10
    memory[0] = 5
    assert total.value == 5
    loaded.close()
    gc.collect()
    memory[0] = 6
    assert memory[0] == 6


def test_memory_does_not_exist_before_load(opened: Object) -> None:
    with pytest.raises(StateError, match="loaded"):
        opened.variables["total"].memory()


def test_variables_end_with_their_object(loaded: Object) -> None:
    total, label, quiet = (loaded.variables[name] for name in ("total", "label", "quiet"))
    assert (total.value, label.value, quiet.value) == (0, b"hello", 8)
    loaded.close()
    for variable in (total, label, quiet):
        for use in (
            lambda variable=variable: variable.value,
            lambda variable=variable: variable.raw,
            lambda variable=variable: setattr(variable, "value", variable.size),
            lambda variable=variable: variable.memory(),
            lambda variable=variable: variable.read_only,
            lambda variable=variable: variable.type,
        ):
            with pytest.raises((ClosedError, TypeError)):
                use()
        assert "closed" in repr(variable)


def test_closing_an_object_that_was_never_loaded_ends_its_variables(opened: Object) -> None:
    step = opened.variables["step"]
    assert step.value == 10
    opened.close()
    with pytest.raises(ClosedError):
        step.value
    with pytest.raises(ClosedError):
        step.value = 1


@pytest.mark.parametrize("entries", [1, 4, 3000])
def test_a_section_is_resized_with_its_last_array(opened: Object, entries: int) -> None:
    tail = opened.variables["tail"]
    if not RESIZES:
        with pytest.raises(NotSupportedError, match=r"1\.3"):
            opened.maps[".data.tail"].value_size = 8 * entries
        return
    opened.maps[".data.tail"].value_size = 8 * entries
    assert tail.size == 8 * entries
    tail.value = list(range(entries))
    opened.load()
    assert tail.value == list(range(entries))
    assert opened.maps[".data.tail"].info().value_size == 8 * entries


def test_a_section_smaller_than_its_variables_is_not_read_behind_its_end(
    opened: Object,
) -> None:
    if not RESIZES:
        return  # test_a_section_is_resized_with_its_last_array has the refusal
    opened.maps[".data"].value_size = 20
    label = opened.variables["label"]
    table = opened.variables["table"]
    for use in (lambda: table.value, lambda: table.raw, lambda: setattr(table, "value", [0] * 4)):
        with pytest.raises((StateError, ValueError)):
            use()
    with pytest.raises((StateError, ValueError)):
        label.value


def test_prepare_is_enough(opened: Object) -> None:
    if libbpf_version() < (1, 6):
        with pytest.raises(NotSupportedError):
            opened.prepare()
        return
    opened.prepare()
    opened.variables["total"].value = 3
    assert opened.variables["total"].value == 3
    with pytest.raises(StateError):
        opened.variables["step"].value = 3
    opened.load()
    assert opened.variables["total"].value == 3


def test_a_failed_load_is_a_state_error(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("maps")) as obj:
        # More than the kernel gives: the load fails.
        obj.maps["counts"].max_entries = 0
        with pytest.raises(OSError, match="EINVAL"):
            obj.load()
        with pytest.raises(StateError):
            obj.variables["total"].value
        with pytest.raises(StateError):
            obj.variables["total"].value = 1


# --- in place ----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before load", "after load"])
def test_a_part_is_read_and_written_without_the_rest(opened: Object, when: str) -> None:
    if when == "after load":
        opened.load()
    table, last = opened.variables["table"], opened.variables["last"]
    table[1] = 20
    table[-1] = -40
    assert table.value == [1, 20, 3, -40]
    assert (table[1], table[3]) == (20, -40)
    last["where"] = {"x": 1, "y": -2}
    last["comm"] = b"name"
    assert last["comm"] == b"name"
    assert (last.value.where.y, last.value.pid) == (-2, 0)
    for wrong, error, message in (
        (lambda: table.__setitem__(0, 1 << 31), OverflowError, r"table\[0\]"),
        (lambda: last.__setitem__("pid", -1), OverflowError, r"last\.pid"),
        (lambda: table[4], IndexError, "4 elements"),
        (lambda: last["where_"], NameNotFoundError, "where"),
        (lambda: table["x"], NameNotFoundError, "table"),
        (lambda: last[0], TypeError, "no array"),
        (lambda: opened.variables["label"][0], TypeError, "no array"),
        (lambda: iter(table), TypeError, "iterable"),
    ):
        with pytest.raises(error, match=message):
            wrong()
    assert table.value == [1, 20, 3, -40]


def test_a_part_of_rodata_is_written_before_load_only(opened: Object) -> None:
    template = opened.variables["template"]
    template["pid"] = 9
    opened.load()
    assert (template.value.pid, template["comm"]) == (9, b"template")
    with pytest.raises(StateError, match="read-only"):
        template["pid"] = 10


def test_a_view_is_the_programs_own_memory(opened: Object) -> None:
    with pytest.raises(StateError):
        opened.variables["last"].view()
    opened.load()
    last, table = opened.variables["last"].view(), opened.variables["table"].view()
    last.bytes = 77
    assert opened.variables["last"].value.bytes == 77
    run(opened)
    assert last.where.y == 0
    table[2] = 30
    assert opened.variables["table"].value == [1, -2, 30, -4]
    with pytest.raises(OverflowError):
        table[2] = 1 << 40
    with pytest.raises(StateError, match="read-only; use value"):
        opened.variables["template"].view()
    with pytest.raises(TypeError, match="no struct"):
        opened.variables["total"].view()
    opened.close()
    assert (last.bytes, table[2]) == (77, 30)


# --- without system calls, and without mmap ------------------------------------------------


@pytest.mark.needs("seccomp")
def test_variables_in_memory_take_no_system_call(opened: Object) -> None:
    import ctypes

    opened.load()
    variables = [opened.variables[name] for name in ("total", "enabled", "label", "table", "last", "step")]
    view = opened.variables["table"].view()
    for variable in variables:
        variable.value
    total, enabled, label, table, last, step = variables

    def use() -> bytes:
        for number in range(100):
            total.value = number
            enabled.value = bool(number % 2)
            label.value = b"%d" % number
            table[1] = number
            last["pid"] = number
            view[0] = number
        found = (total.value, enabled.value, label.value, table[1], last.value.pid, step.value, view[0])
        return b"%a\n" % (found,)

    ends, writes = os.pipe()
    child = os.fork()
    if not child:
        prctl = ctypes.CDLL(None).prctl
        # Python itself takes system calls for memory, when it needs more and when it gives some back: nothing
        # is collected, and what a round needs is there already.
        gc.disable()
        rounds = [use() for _ in range(3)]
        rounds.pop()
        # SECCOMP_MODE_STRICT: any call but read, write and exit ends the process.
        prctl(22, 1)
        os.write(writes, use())
        os.kill(0, 0)  # not allowed: the end
    os.close(writes)
    with os.fdopen(ends) as answer:
        assert answer.read() == "(99, True, b'99', 99, 99, 10, 99)\n"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9


def test_where_sections_cannot_be_mapped_they_are_reached_through_their_maps(
    opened: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Linux 5.5, which brought BPF_F_MMAPABLE."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr("pylibbpf.maps.variables.mmap.mmap", refuse)
    opened.variables["step"].value = 20
    opened.load()
    total, label, last = (opened.variables[name] for name in ("total", "label", "last"))
    total.value = 1 << 40
    run(opened)
    assert total.value == (1 << 40) + 20
    label.value = b"through"
    last["pid"] = 77
    assert (label.value, last.value.pid, last["pid"]) == (b"through", 77, 77)
    assert opened.variables["step"].read_only
    with pytest.raises(StateError, match="read-only"):
        opened.variables["step"].value = 1
    with pytest.raises(StateError, match="kconfig"):
        opened.variables["LINUX_KERNEL_VERSION"].value = 1
    assert opened.variables["LINUX_KERNEL_VERSION"].value > 0
    for name in ("total", "last"):
        with pytest.raises(NotSupportedError, match="use value"):
            opened.variables[name].memory()


SETTINGS = """
CONFIG_NUMBER=-7
CONFIG_HEX=0x123456789a
CONFIG_SWITCH=y
CONFIG_CHOICE=m
CONFIG_LETTER=y
CONFIG_TEXT="some text"
"""


def test_settings_of_the_kernel_have_their_types(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("maps_kconfig"), kconfig=SETTINGS) as obj:
        obj.load()
        values = {name: variable.value for name, variable in obj.variables.items()}
        assert values == {
            "CONFIG_NUMBER": -7,
            "CONFIG_HEX": 0x123456789A,
            "CONFIG_SWITCH": True,
            "CONFIG_CHOICE": 2,
            "CONFIG_LETTER": ord("y"),
            "CONFIG_TEXT": b"some text",
        }
        assert values["CONFIG_SWITCH"] is True
        assert repr(values["CONFIG_CHOICE"]) == "TRI_MODULE"
        assert all(variable.section == ".kconfig" for variable in obj.variables.values())
        total = -7 + 0x123456789A + 1 + 2 + ord("y") + ord("o")
        assert obj.programs["sum"].test_run(bytes(64)).return_value == total & 0xFFFFFFFF


def test_a_setting_that_does_not_fit_fails_the_load(bpf_object: Callable[[str], Path]) -> None:
    settings = SETTINGS.replace("-7", "4294967296")
    with (
        Object.open(bpf_object("maps_kconfig"), kconfig=settings) as obj,
        pytest.raises(OSError, match="CONFIG_NUMBER"),
    ):
        obj.load()
