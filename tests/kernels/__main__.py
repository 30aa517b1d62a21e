# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The kernel matrix: boots Debian's kernels under qemu and runs the test suite inside each.

Every kernel's report and console stay in build/reports. The exit status is 1 if a test failed, if a kernel
did not boot, if what no kernel could run differs from the checked-in list, or if the matrix could not begin.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kernels import archive, guest, initramfs, report

CHECKOUT = Path(__file__).resolve().parents[2]
REPORTS = CHECKOUT / "build" / "reports"
SOURCES = ("pylibbpf", "tests", "examples", "pyproject.toml")

TOOLS = {
    guest.QEMU: "qemu-system-x86",
    "busybox": "busybox-static",
    "apt-get": "apt",
    "dpkg": "dpkg",
    "ldd": "libc-bin",
}

# A test that takes longer in a guest, in seconds, hangs: it ends the run with where each thread was.
TEST_DEADLINE = 240

# `make test` leaves the tests of the package to a task of their own.
HOST_SELECTION = "not package"
GUEST_SELECTION = "not host and not package"


def main() -> int:
    options = parse_arguments()
    if platform.machine() != "x86_64":
        sys.exit("The kernel matrix needs an x86-64 machine: it runs this Python in the guests.")
    missing = [f"{tool} (Debian: {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        sys.exit(f"The kernel matrix needs {', '.join(missing)}.")
    os.chdir(CHECKOUT)
    REPORTS.mkdir(parents=True, exist_ok=True)

    wanted = [kernel for kernel in archive.KERNELS if kernel.name in options.kernel]
    kernels, remarks = find_kernels(wanted, refresh=options.refresh)
    if not kernels:
        sys.exit("\n".join(remarks))
    every_kernel = len(kernels) == len(archive.KERNELS)
    reports = [host_report(options.tests)] if len(wanted) == len(archive.KERNELS) else []
    reports += asyncio.run(run_guests(kernels, options))

    print(f"\n{report.table(reports)}")
    for remark in remarks:
        print(f"\n**** {remark}")
    print(f"\n{report.failures(reports)}", end="")
    differences = []
    if len(wanted) == len(archive.KERNELS):
        differences = compare(reports, every_kernel=every_kernel, every_test=options.tests == ["tests"])
    failed = [each.name for each in reports if each.failed]
    if differences:
        failed.append("the list of what no kernel can run")
    print(f"Failed: {', '.join(failed)}." if failed else "No failures.")
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    names = [kernel.name for kernel in archive.KERNELS]
    parser = argparse.ArgumentParser(prog="python -m tests.kernels", description=__doc__)
    parser.add_argument("--kernel", nargs="+", default=names, choices=names, help="only these kernels")
    parser.add_argument("--tests", nargs="+", default=["tests"], metavar="PATH", help="only these tests")
    parser.add_argument("--guests", type=int, default=2, metavar="N", help="guests side by side (default: 2)")
    parser.add_argument(
        "--deadline",
        type=float,
        default=14400,
        metavar="SECONDS",
        help="stop a guest after this (default: 14400); each test has a deadline of its own inside",
    )
    parser.add_argument("--refresh", action="store_true", help="ask the archive for newer versions now")
    parser.add_argument("--emulate", action="store_true", help="do not use KVM, even where it boots a kernel")
    return parser.parse_args()


def find_kernels(
    wanted: Sequence[archive.Kernel], *, refresh: bool
) -> tuple[list[archive.BootFiles], list[str]]:
    """Return the kernels that can be had, and a remark on each that the archive did not give."""
    kernels, remarks = [], []
    for kernel in wanted:
        try:
            files, remark = archive.boot_files(kernel, refresh=refresh)
        except archive.NotOfferedError as error:
            remarks.append(f"{kernel.name} WAS NOT TESTED. {error}")
            continue
        except archive.UnreachableError as error:
            sys.exit(f"{error} The cache has no Linux {kernel.name} either.")
        kernels.append(files)
        if remark:
            remarks.append(f"{kernel.name}: {remark}")
        say(f"{kernel.name}: {files.release}")
    return kernels, remarks


# The host


def host_report(tests: list[str]) -> report.Report:
    """Return what the suite does on this kernel: the report of `make test` if it is recent, else run it."""
    path = REPORTS / "host.jsonl"
    made = report.read("host", path)
    whole = not made.trouble and made.tests == ["tests"] and made.selection == ["", HOST_SELECTION]
    if not whole or path.stat().st_mtime < newest_source():
        path = path if tests == ["tests"] else REPORTS / "host-part.jsonl"
        say("host: running the tests here first")
        path.unlink(missing_ok=True)
        console = path.with_suffix(".console")
        with console.open("w") as output:
            command = [sys.executable, *pytest_arguments(tests, HOST_SELECTION, str(path))]
            ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        made = report.read("host", path)
        if made.trouble:
            made.trouble += f", status {ended.returncode}\n{last_lines(console.read_text())}"
    if tests != ["tests"]:
        made.results = [result for result in made.results if within(result.nodeid, tests)]
    return made


def newest_source() -> float:
    """Return when the package, the tests or the examples last changed."""
    paths = (path for name in SOURCES for path in (CHECKOUT / name, *(CHECKOUT / name).rglob("*")))
    return max(path.stat().st_mtime for path in paths if path.is_file() and "__pycache__" not in path.parts)


def within(nodeid: str, tests: Sequence[str]) -> bool:
    """Say whether a test is one of those asked for by path or node id."""
    return any(
        nodeid == test or nodeid.startswith((f"{test.rstrip('/')}/", f"{test}::", f"{test}["))
        for test in tests
    )


def pytest_arguments(tests: Sequence[str], selection: str, path: str) -> list[str]:
    return ["-m", "pytest", "-v", "--no-summary", "--color=no", "-m", selection, "--report", path, *tests]


# The guests


async def run_guests(
    kernels: Sequence[archive.BootFiles], options: argparse.Namespace
) -> list[report.Report]:
    """Run the suite on each kernel, some side by side; return the reports in the order of the kernels."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    python = [sys.executable, "-B", *pytest_arguments(options.tests, GUEST_SELECTION, "/dev/ttyS1")]
    python += ["-p", "no:cacheprovider", "-o", f"faulthandler_timeout={TEST_DEADLINE}"]
    # hypothesis' plugin has pytest rewrite the assertions of all of hypothesis: twelve seconds, emulated.
    environment = "PYTHONPATH=$PWD PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"
    command = f"cd {shlex.quote(str(CHECKOUT))}\n{environment} exec {shlex.join(python)}\n"
    try:
        root = initramfs.root(CHECKOUT, command)
    except initramfs.MissingError as error:
        sys.exit(str(error))
    accelerator = guest.EMULATION
    if kernels and not options.emulate and await guest.virtualisation_works(kernels[-1]):
        accelerator = guest.VIRTUALISATION
    kind = "with KVM" if accelerator is guest.VIRTUALISATION else "emulated"
    say(f"guests: {options.guests} side by side, {kind}")
    with tempfile.TemporaryDirectory(prefix="pylibbpf-guests-") as directory:
        places = asyncio.Semaphore(options.guests)

        async def run(kernel: archive.BootFiles) -> report.Report:
            async with places:
                image = Path(directory, kernel.kernel.name)
                with image.open("wb") as stream:
                    root.write(stream)
                    initramfs.kernel_modules(kernel.modules).write(stream)
                made = await run_guest(kernel, image, accelerator, options.deadline)
                image.unlink()
                return made

        return await asyncio.gather(*map(run, kernels))


async def run_guest(
    kernel: archive.BootFiles, image: Path, accelerator: tuple[str, ...], deadline: float
) -> report.Report:
    """Run the suite on one kernel."""
    name = kernel.kernel.name
    path = REPORTS / f"{name}.jsonl"
    path.unlink(missing_ok=True)
    start = time.monotonic()
    end = await guest.run(kernel, image, accelerator=accelerator, deadline=deadline, report=path)
    path.with_suffix(".console").write_text(end.console)
    made = report.read(name, path)
    made.release = made.release or kernel.release
    made.seconds = time.monotonic() - start
    if end.trouble:
        made.trouble = f"{end.trouble}; {made.trouble}" if made.tests else end.trouble
    if made.trouble:
        made.trouble += f"\n{last_lines(end.console)}"
    say(f"{name}: {len(made.results)} tests in {made.seconds:.0f} s" + (", FAILED" if made.failed else ""))
    return made


# What no kernel could run


def compare(reports: Sequence[report.Report], *, every_kernel: bool, every_test: bool) -> list[str]:
    """Print what no kernel could run and how that differs from the checked-in list; return the latter."""
    listed = report.read_unrunnable()
    skipped = report.not_run(reports)
    print(f"{len(skipped)} tests were skipped on every kernel" + (":" if skipped else "."))
    for nodeid, reason in skipped.items():
        print(f"  {nodeid}: {listed.get(nodeid, reason)}")
    if not every_kernel:
        print("Not every kernel was tested: another one may run these.")
    differences = report.differences(listed, reports, every_kernel=every_kernel, every_test=every_test)
    if differences:
        print(f"==== {report.UNRUNNABLE.relative_to(CHECKOUT)} is not what was found:")
        print("".join(f"  {line}\n" for line in differences), end="")
    return differences


def last_lines(text: str, count: int = 60) -> str:
    return "\n".join(text.splitlines()[-count:])


def say(line: str) -> None:
    """Tell how far the matrix is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("The kernel matrix was interrupted.")
