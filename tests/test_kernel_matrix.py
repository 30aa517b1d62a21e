# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The parts of the kernel matrix that need no virtual machine."""

from __future__ import annotations

import importlib.util
import io
import json
import lzma
import os
import platform
import py_compile
import re
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import requirements
from tests.kernels import __main__ as matrix
from tests.kernels import archive, initramfs, report

pytestmark = pytest.mark.host("about the matrix itself")

CHECKOUT = Path(__file__).resolve().parent.parent


# Apt sources


def test_deb822_sources_are_read_with_their_keys() -> None:
    text = textwrap.dedent("""\
        # a comment
        Types: deb deb-src
        URIs: http://mirror.invalid/debian
        # in the middle
        Suites: bookworm
          bookworm-updates
        Components: main contrib
        Signed-By: /keys/debian.gpg

        Types: deb
        Enabled: no
        URIs: http://other.invalid/debian
        Suites: bookworm
        Components: main

        Types: deb-src
        URIs: http://sources.invalid/debian
        Suites: bookworm
        Components: main
        """)
    assert archive.parse_deb822(text) == [
        archive.Source(
            ("http://mirror.invalid/debian",),
            ("bookworm", "bookworm-updates"),
            ("main", "contrib"),
            "/keys/debian.gpg",
        )
    ]


def test_an_embedded_key_keeps_its_lines() -> None:
    text = "Types: deb\nURIs: http://a.invalid\nSuites: sid\nComponents: main\n"
    text += "Signed-By:\n -----BEGIN\n .\n abc\n"
    [source] = archive.parse_deb822(text)
    assert source.signed_by == "\n -----BEGIN\n .\n abc"


def test_one_line_sources_are_read_with_their_options() -> None:
    text = textwrap.dedent("""\
        # deb http://disabled.invalid/debian bookworm main
        deb http://mirror.invalid/debian bookworm main contrib # the rest
        deb [arch=amd64 signed-by=/keys/a.gpg,/keys/b.gpg] https://tools.invalid/apt stable main
        deb-src http://mirror.invalid/debian bookworm main
        """)
    assert archive.parse_one_line(text) == [
        archive.Source(("http://mirror.invalid/debian",), ("bookworm",), ("main", "contrib")),
        archive.Source(("https://tools.invalid/apt",), ("stable",), ("main",), "/keys/a.gpg /keys/b.gpg"),
    ]


def test_all_of_the_machines_source_files_are_read(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.invalid/debian bookworm main\n")
    (parts / "b.list").write_text("deb http://b.invalid/debian bookworm main\n")
    (parts / "c.sources").write_text(
        "Types: deb\nURIs: http://c.invalid/debian\nSuites: sid\nComponents: main\n"
    )
    (parts / "d.list.disabled").write_text("deb http://d.invalid/debian bookworm main\n")
    hosts = [source.uris[0].split("/")[2] for source in archive.machine_sources(tmp_path)]
    assert hosts == ["a.invalid", "b.invalid", "c.invalid"]


def test_the_mirror_is_the_one_with_the_machines_suite() -> None:
    tools = archive.Source(("https://tools.invalid/apt",), ("nodistro",), ("main",))
    security = archive.Source(("http://security.invalid/debian",), ("bookworm-security",), ("main",))
    mirror = archive.Source(("http://mirror.invalid/debian",), ("bookworm", "bookworm-updates"), ("main",))
    assert archive.debian_mirror([tools, security, mirror], "bookworm") is mirror
    with pytest.raises(archive.UnreachableError):
        archive.debian_mirror([tools, security], "bookworm")


# Kernels


def test_dpkg_decides_which_version_is_newest() -> None:
    assert archive.newest_version(["6.1.9-1", "6.1.176-1", "6.1.90-1"]) == "6.1.176-1"
    assert archive.newest_version(["6.12.95-1~bpo12+1", "6.12.95-1"]) == "6.12.95-1"
    assert archive.newest_version(["7.2~rc1-1~exp1", "7.1.3-1"]) == "7.2~rc1-1~exp1"


@pytest.mark.parametrize(
    ("name", "package", "release"),
    [
        ("5.10", "linux-image-5.10.0-32-cloud-amd64-unsigned", "5.10.0-32-cloud-amd64"),
        ("6.12", "linux-image-6.12.95+deb12-cloud-amd64-unsigned", "6.12.95+deb12-cloud-amd64"),
        ("7.x", "linux-binary-7.2.13+deb14-cloud-amd64", "7.2.13+deb14-cloud-amd64"),
    ],
)
def test_package_names_tell_the_release(name: str, package: str, release: str) -> None:
    [kernel] = [kernel for kernel in archive.KERNELS if kernel.name == name]
    match = re.fullmatch(kernel.image, package)
    assert match is not None
    assert match[1] == release


def cache_kernel(kernel: archive.Kernel, version: str) -> None:
    directory = archive.cache_directory() / kernel.name / version
    directory.mkdir(parents=True)
    (directory / "release").write_text(f"{version}-cloud-amd64")


def test_a_recent_cache_needs_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(archive, "machine_sources", lambda: pytest.fail("asked the archive"))
    kernel = archive.KERNELS[0]
    for version in ("5.10.9-1", "5.10.10-1"):
        cache_kernel(kernel, version)
    (archive.cache_directory() / kernel.name / "looked").touch()
    files, remark = archive.boot_files(kernel)
    assert files.release == "5.10.10-1-cloud-amd64"
    assert files.vmlinuz.parent == archive.cache_directory() / "5.10" / "5.10.10-1"
    assert remark is None


def test_an_old_cache_serves_when_the_archive_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(archive, "machine_sources", list)
    kernel = archive.KERNELS[0]
    with pytest.raises(archive.UnreachableError):
        archive.boot_files(kernel)
    cache_kernel(kernel, "5.10.9-1")
    files, remark = archive.boot_files(kernel)
    assert files.release == "5.10.9-1-cloud-amd64"
    assert remark is not None
    assert "from the cache" in remark


# The initramfs


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    directory = tmp_path / "unpacked"
    directory.mkdir()
    return directory


def unpack(image: initramfs.Image, directory: Path) -> None:
    stream = io.BytesIO()
    image.write(stream)
    command = ["busybox", "cpio", "-idm"]
    subprocess.run(command, input=stream.getvalue(), cwd=directory, check=True, capture_output=True)


def test_busybox_reads_back_what_the_archive_was_given(unpacked: Path) -> None:
    image = initramfs.Image()
    image.file("/a/b/odd", b"odd", mode=0o755, changed=1_600_000_000)
    image.file("/a/name with spaces", b"")
    image.link("/a/link", "b/odd")
    image.directory("/tmp", 0o1777)
    unpack(image, unpacked)
    assert (unpacked / "a/b/odd").read_bytes() == b"odd"
    assert (unpacked / "a/b/odd").stat().st_mode & 0o7777 == 0o755
    assert (unpacked / "a/b/odd").stat().st_mtime == 1_600_000_000
    assert (unpacked / "a/name with spaces").read_bytes() == b""
    assert os.readlink(unpacked / "a/link") == "b/odd"
    assert (unpacked / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_copies_keep_their_paths_and_the_links_to_them(tmp_path: Path, unpacked: Path) -> None:
    real = tmp_path / "usr" / "lib"
    real.mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "absolute").symlink_to(tmp_path / "lib")
    (real / "libx.so.1.2").write_bytes(b"library")
    (real / "libx.so.1").symlink_to("libx.so.1.2")
    (real / "libup.so").symlink_to("../lib/libx.so.1")
    image = initramfs.Image()
    image.copy(tmp_path / "absolute" / "libup.so")
    unpack(image, unpacked)
    root = unpacked / str(tmp_path).lstrip("/")
    assert os.readlink(root / "lib") == "usr/lib"
    assert os.readlink(root / "absolute") == str(tmp_path / "lib")
    assert (root / "lib" / "libup.so").read_bytes() == b"library"
    assert (root / "usr" / "lib" / "libx.so.1").is_symlink()


def test_trees_leave_out_what_is_rejected(tmp_path: Path) -> None:
    for name in ("kept/a.py", "kept/__pycache__/a.pyc", "kept/deep/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    image = initramfs.Image()
    image.copy_tree(tmp_path / "kept", lambda name: name == "__pycache__")
    files = sorted(path.relative_to(tmp_path) for path in image.host_files())
    assert files == [Path("kept/a.py"), Path("kept/deep/b.py")]


@pytest.mark.parametrize("cached", [True, False])
def test_byte_code_is_unchecked_and_runs(tmp_path: Path, cached: bool) -> None:
    source = tmp_path / "module.py"
    source.write_text("answer = 42\n")
    if cached:
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    code = initramfs.byte_code(source)
    target = tmp_path / "elsewhere" / "module.pyc"
    target.parent.mkdir()
    target.write_bytes(code)
    assert code[4:8] == b"\1\0\0\0"
    spec = importlib.util.spec_from_file_location("module", target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.answer == 42


def test_shared_libraries_are_found_with_the_loader() -> None:
    names = [path.name for path in initramfs.shared_libraries([Path(sys.executable)])]
    assert "libc.so.6" in names
    assert any(name.startswith("ld-linux") for name in names)
    assert initramfs.is_dynamic(Path(sys.executable))
    assert not initramfs.is_dynamic(Path(__file__))


def test_modules_are_loaded_after_what_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "MODULES", ("upper", "built_in"))
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "upper.ko").write_bytes(b"x\0depends=middle-part\0y")
    middle = lzma.compress(b"x\0depends=lower\0y", format=lzma.FORMAT_XZ)
    (tmp_path / "middle-part.ko.xz").write_bytes(middle)
    (tmp_path / "lower.ko").write_bytes(b"x\0depends=\0y")
    image = initramfs.kernel_modules(tmp_path)
    files = [path for path in image.entries if path.endswith(".ko")]
    assert files == ["/modules/00-lower.ko", "/modules/01-middle_part.ko", "/modules/02-upper.ko"]
    assert image.entries["/modules/01-middle_part.ko"].contents == b"x\0depends=lower\0y"


# Reports


def make_report(name: str, **outcomes: str) -> report.Report:
    results = [report.Result(nodeid, outcome, 0.1, f"{nodeid} text") for nodeid, outcome in outcomes.items()]
    return report.Report(name, results=results)


def test_only_tests_that_ran_nowhere_are_unrunnable() -> None:
    reports = [
        make_report("host", a="passed", b="skipped", c="skipped"),
        make_report("5.10", a="skipped", b="failed", c="skipped"),
    ]
    assert report.not_run(reports) == {"c": "c text"}


def test_the_list_must_be_what_was_found_in_both_directions() -> None:
    reports = [make_report("host", a="skipped", b="skipped"), make_report("5.10", a="passed", b="skipped")]
    exact = {"b": "why"}
    assert report.differences(exact, reports, every_kernel=True, every_test=True) == []
    assert report.differences({}, reports, every_kernel=True, every_test=True) == ["no kernel ran b: b text"]
    listed = {"a": "why", "b": "why", "gone": "why"}
    assert report.differences(listed, reports, every_kernel=True, every_test=True) == [
        "listed, but ran on 5.10: a",
        "listed, but there is no such test: gone",
    ]


def test_a_part_of_the_matrix_does_not_show_what_is_missing() -> None:
    reports = [make_report("host", a="skipped")]
    assert report.differences({}, reports, every_kernel=False, every_test=True) == []
    assert report.differences({"elsewhere": "why"}, reports, every_kernel=True, every_test=False) == [
        "no kernel ran a: a text"
    ]


def test_the_checked_in_list_gives_reasons() -> None:
    for nodeid, reason in report.read_unrunnable().items():
        assert nodeid.startswith("tests/")
        assert len(reason) > 10


def test_the_table_has_a_line_for_each_kernel() -> None:
    died = make_report("6.1", a="passed")
    died.trouble = "ended in tests/b\nlast words"
    lines = report.table([make_report("5.10", a="passed", b="failed", c="skipped"), died]).splitlines()
    assert lines[0].split() == ["kernel", "release", "passed", "failed", "skipped", "seconds", "slowest"]
    assert lines[1].split()[:5] == ["5.10", "1", "1", "1", "0"]
    assert "**** ended in tests/b ****" in lines[2]
    assert len(lines) == 3


def test_a_report_cut_short_says_where(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    assert report.read("6.1", path).trouble == "ended before the tests did"
    start = {"event": "start", "release": "6.1.0", "time": 0, "tests": ["tests"], "selection": ["", ""]}
    begin = {"event": "begin", "nodeid": "tests/test_a.py::test_a"}
    path.write_text(f'{json.dumps(start)}\n{json.dumps(begin)}\n{{"event": "te')
    made = report.read("6.1", path)
    assert made.release == "6.1.0"
    assert made.trouble == "ended in tests/test_a.py::test_a"
    assert made.failed


def test_a_part_of_the_tests_is_chosen_by_path() -> None:
    assert matrix.within("tests/link/test_a.py::test_b[c]", ["tests/link"])
    assert matrix.within("tests/link/test_a.py::test_b[c]", ["tests/link/test_a.py"])
    assert matrix.within("tests/link/test_a.py::test_b[c]", ["tests/link/test_a.py::test_b"])
    assert not matrix.within("tests/links/test_a.py::test_b", ["tests/link"])


# The plugin


SUITE = """
import pytest
from tests import requirements

def test_passes(): pass

def test_fails():
    print("said before")
    assert 1 == 2

@pytest.fixture
def broken():
    yield
    raise RuntimeError("in teardown")

def test_teardown(broken): pass

@pytest.mark.kernel("99.0", "a thing of the future")
def test_future(): pass

@pytest.mark.kernel("4.0", "a thing of the past")
def test_past(): pass

@pytest.mark.needs("root", "never")
def test_never(): pass

@pytest.mark.needs("no such name")
def test_misspelt(): pass

def test_inside(): requirements.require("never")

def test_plain(): pytest.skip("just so")

@pytest.mark.skipif(True, reason="a condition")
def test_condition(): pass

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

@pytest.mark.host("slow")
def test_host(): pass
"""

NEVER = """
from tests import requirements
requirements.requirement("root", "root", found="anywhere")(lambda: True)
requirements.requirement("never", "a thing that nobody has", found="nowhere")(lambda: False)
"""


def run_suite(directory: Path, files: dict[str, str], *arguments: str) -> report.Report:
    """Run a suite of its own in a subprocess; return the plugin's report."""
    for name, contents in {"conftest.py": NEVER, **files}.items():
        (directory / name).write_text(contents)
    path = directory / "report.jsonl"
    command = [sys.executable, "-m", "pytest", "-p", "tests.kernels.plugin", "-p", "no:cacheprovider"]
    command += ["--strict-markers", "--rootdir", str(directory), "-c", "/dev/null", "--report", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run([*command, *arguments], cwd=directory, env=environment, check=False, capture_output=True)
    return report.read("host", path)


def test_markers_skip_with_reasons_and_other_skips_fail(tmp_path: Path) -> None:
    made = run_suite(tmp_path, {"test_suite.py": SUITE}, "-m", "not host")
    results = {result.nodeid.partition("::")[2]: result for result in made.results}
    assert {name: result.outcome for name, result in results.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_teardown": "failed",
        "test_future": "skipped",
        "test_past": "passed",
        "test_never": "skipped",
        "test_misspelt": "failed",
        "test_inside": "skipped",
        "test_plain": "failed",
        "test_condition": "failed",
        "test_expected": "passed",
    }
    assert results["test_future"].text == (
        f"needs a thing of the future, since Linux 99.0; this is {platform.release()}"
    )
    assert results["test_never"].text == "needs a thing that nobody has (found on: nowhere)"
    assert results["test_inside"].text == results["test_never"].text
    assert results["test_plain"].text.startswith("A skip that no kernel lifts: just so")
    assert "A skip that no kernel lifts: a condition" in results["test_condition"].text
    assert "assert 1 == 2" in results["test_fails"].text
    assert "said before" in results["test_fails"].text
    assert "in teardown" in results["test_teardown"].text
    assert "'no such name' is not in tests/requirements.py" in results["test_misspelt"].text
    assert made.failed
    assert not made.trouble
    assert made.release == platform.release()
    assert made.selection == ["", "not host"]


def test_a_module_that_skips_itself_fails(tmp_path: Path) -> None:
    module = "import pytest\npytest.importorskip('a_module_that_nobody_has')\n"
    made = run_suite(tmp_path, {"test_module.py": module})
    assert [(result.nodeid, result.outcome) for result in made.results] == [("test_module.py", "failed")]
    assert "A skip that no kernel lifts: could not import" in made.results[0].text


def test_a_module_that_cannot_be_imported_is_a_failure_of_its_name(tmp_path: Path) -> None:
    made = run_suite(tmp_path, {"test_module.py": "import a_module_that_nobody_has\n"})
    assert [(result.nodeid, result.outcome) for result in made.results] == [("test_module.py", "failed")]
    assert "ModuleNotFoundError" in made.results[0].text


def test_a_crash_leaves_the_name_of_its_test(tmp_path: Path) -> None:
    module = "import os\ndef test_passes(): pass\ndef test_crashes(): os.abort()\n"
    made = run_suite(tmp_path, {"test_module.py": module})
    assert [(result.nodeid, result.outcome) for result in made.results] == [
        ("test_module.py::test_passes", "passed")
    ]
    assert made.trouble == "ended in test_module.py::test_crashes"


# The requirements


def test_kernel_versions_compare_as_numbers() -> None:
    assert requirements.parse_version("5.9") < requirements.parse_version("5.15")
    assert requirements.kernel_version() >= (5, 10)
    with pytest.raises(ValueError, match="unpack"):
        requirements.parse_version("5.10.3")


def test_every_requirement_has_an_answer() -> None:
    for entry in requirements.REQUIREMENTS.values():
        assert entry.probe() in (True, False)


@pytest.mark.needs("vmlinux_btf")
def test_function_ids_are_those_of_the_kernels_btf() -> None:
    data = requirements.btf()
    assert struct.unpack_from("<H", data) == (0xEB9F,)
    assert requirements.btf_function_id("bpf_fentry_test1") > 0
    with pytest.raises(LookupError):
        requirements.btf_function_id("no_such_function_anywhere")
