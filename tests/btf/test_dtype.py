# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""NumPy dtypes: the same memory as the codecs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pylibbpf.btf import Btf, Composite
from tests.btf.raw import RawBtf, everything


@pytest.fixture
def btf() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


@pytest.mark.needs("numpy")
def test_a_struct_is_a_structured_dtype_at_btfs_offsets(btf: Btf) -> None:
    dtype = btf.to_dtype("struct event")
    assert dtype.itemsize == 64
    assert dtype.names == ("pid", "flags", "comm", "whole", "half", "where", "color", "numbers", "next")
    assert dtype.fields is not None
    assert [dtype.fields[name][1] for name in dtype.names] == [0, 4, 5, 24, 24, 32, 40, 44, 56]
    assert dtype.fields["numbers"][0].shape == (3,)


@pytest.mark.needs("numpy")
def test_records_read_as_the_struct_does(btf: Btf) -> None:
    import numpy

    cls = btf.to_ctypes("event")
    made = cls(pid=-3, comm=b"bash", whole=1 << 40, where=(1, -2), color=7, numbers=[4, 5, 6])
    (record,) = numpy.frombuffer(bytes(made), btf.to_dtype("event"))
    assert (record["pid"], record["comm"], record["whole"], record["color"]) == (-3, b"bash", 1 << 40, 7)
    assert record["where"]["y"] == -2
    assert list(record["numbers"]) == [4, 5, 6]
    assert cls(record) == made


@pytest.mark.needs("numpy")
def test_bitfields_are_the_integer_that_they_share(btf: Btf) -> None:
    dtype = btf.to_dtype("bits")
    assert dtype.names == ("a:3 b:5", "c:24", "d:1")
    assert dtype.itemsize == 8


@pytest.mark.needs("numpy")
def test_what_numpy_has_not_is_opaque(btf: Btf) -> None:
    dtype = btf.to_dtype("mixed")
    assert dtype["u"].kind == "V"
    assert dtype["u"].itemsize == 16
    assert [dtype[name].str.lstrip("<>|") for name in ("f", "d", "b")] == ["f4", "f8", "b1"]


@pytest.mark.needs("numpy")
def test_scalars_and_arrays_have_dtypes(btf: Btf) -> None:
    assert btf.to_dtype("pid_t") == "i4"
    assert btf.to_dtype("unsigned long") == "u8"
    assert btf.to_dtype("color") == "u4"
    raw = RawBtf()
    table = raw.array(raw.array(raw.integer("u16", 2), 2), 3)
    with Btf.from_bytes(bytes(raw)) as other:
        assert other.to_dtype(table).shape == (3, 2)
    with pytest.raises(TypeError, match="has no values"):
        btf.to_dtype("handle")


@pytest.mark.host("tens of thousands of structs")
@pytest.mark.needs("numpy", "vmlinux_btf")
def test_every_struct_of_the_kernel_has_a_dtype() -> None:
    with Btf.vmlinux() as btf:
        for found in btf:
            if isinstance(found, Composite):
                assert btf.to_dtype(found).itemsize == found.size


def test_without_numpy_the_error_names_the_extra() -> None:
    program = """
import sys
sys.modules["numpy"] = None
from pylibbpf.btf import Btf
from tests.btf.raw import everything
with Btf.from_bytes(bytes(everything())) as btf:
    try:
        btf.to_dtype("int")
    except ImportError as error:
        assert "pylibbpf[numpy]" in str(error), error
    else:
        raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
