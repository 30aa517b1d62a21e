# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What all commands have in common: help, versions, exit statuses, terminals and pipes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.cli import main
from pylibbpf.cli.parser import COMMANDS, GROUPS
from tests.cli.commands import command, environment, failure, output, run, running
from tests.symbols.conftest import KEEP_CAPABILITIES

pytestmark = pytest.mark.host("a process for each test")


def test_version_names_that_of_libbpf() -> None:
    assert output("--version") == f"pylibbpf {bpf.__version__}, libbpf {bpf.libbpf_version()}\n"


def help_of(capsys: pytest.CaptureFixture[str], *path: str) -> str:
    """A help in 80 columns; in this process, since there are so many."""
    with pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.fixture
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["/usr/bin/pylibbpf"])


@pytest.mark.usefixtures("eighty_columns")
def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys)
    for path in COMMANDS:
        assert re.search(rf"^    {path[0]}\b", shown, re.MULTILINE)
    for group in GROUPS:
        shown = help_of(capsys, group)
        for path in COMMANDS:
            if path[0] == group:
                assert re.search(rf"^    {path[1]}\b", shown, re.MULTILINE)


@pytest.mark.usefixtures("eighty_columns")
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_fits_and_has_examples(
    capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    shown = help_of(capsys, *path)
    assert f"pylibbpf {' '.join(path)} " in shown.partition("examples:\n")[2]
    assert max(map(len, shown.splitlines())) <= 80


def test_help_loads_neither_types_nor_numpy_nor_the_extension() -> None:
    script = (
        "import sys\n"
        "from pylibbpf.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('numpy', 'pylibbpf.btf', 'pylibbpf._lib'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_import_of_the_package_loads_no_command() -> None:
    script = "import sys, pylibbpf; print(any('cli' in name for name in sys.modules if 'pylibbpf' in name))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_wrong_command_line_is_status_2_and_says_what_there_is() -> None:
    assert "invalid choice: 'nonesuch'" in failure("nonesuch", status=2)
    assert "the following arguments are required" in failure("map", "get", status=2)


def test_what_is_not_there_is_status_1_in_one_line() -> None:
    assert "No such file or directory" in failure("object", "show", "/nonesuch.bpf.o")
    message = failure("btf", "dump", "struct nonesuch_at_all")
    assert message.startswith("pylibbpf: no BTF type is called 'struct nonesuch_at_all'")


@pytest.mark.needs("vmlinux_btf")
def test_a_reader_that_goes_away_ends_a_command_without_a_word() -> None:
    process = subprocess.Popen(
        command("btf", "dump"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"#ifndef __VMLINUX_H__\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with running("gen", "object", tmp_path / "new.bpf.o", fifo) as process:
        writer = os.open(fifo, os.O_WRONLY)  # returns once the command has opened it, to read
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        os.close(writer)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback (most recent" not in errors


# --- terminals --------------------------------------------------------------------------


def on_terminal(columns: int, *arguments: object, **environ: str) -> str:
    """What a command writes to a terminal of so many columns."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    with subprocess.Popen(
        command(*arguments), stdout=terminal, stderr=terminal, env=environment(TERM="xterm", **environ)
    ) as process:
        os.close(terminal)
        read = b""
        try:
            while chunk := os.read(controller, 65536):
                read += chunk
        except OSError:
            pass  # EIO: the command has ended
        os.close(controller)
    assert process.returncode == 0, read
    return read.decode().replace("\r\n", "\n")


@pytest.mark.needs("root")
def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(attached: bpf.Object) -> None:
    narrow = re.sub(r"\033\[\d*m", "", on_terminal(60, "map", "list", "--holders"))
    assert max(map(len, narrow.splitlines())) <= 60
    assert "…" in narrow
    piped = output("map", "list", "--holders")
    assert "…" not in piped
    assert f"({os.getpid()})" in piped


@pytest.mark.needs("root")
def test_colours_are_for_terminals_that_want_them(attached: bpf.Object) -> None:
    assert "\033[1m" in on_terminal(80, "map", "list")
    assert "\033" not in on_terminal(80, "map", "list", NO_COLOR="1")
    assert "\033" not in output("map", "list")


def test_letters_that_the_encoding_lacks_are_escaped() -> None:
    done = subprocess.run(
        command("object", "show", "/tmp/nöne\udcff.o"),
        capture_output=True,
        check=False,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.returncode == 1
    assert b"n\\xf6ne" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.needs("root")
def test_the_user_without_rights_is_told_which_it_takes() -> None:
    call = "keep_capabilities(0)\nfrom pylibbpf.cli import main\nprint(main(['prog', 'list']))"
    script = f"{KEEP_CAPABILITIES}\n{call}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert "Operation not permitted" in done.stderr
    assert "CAP_BPF" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_script_of_the_package_is_this_command_line() -> None:
    script = "import sys; sys.argv = ['/usr/bin/pylibbpf', '--help']; from pylibbpf.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: pylibbpf ")
    assert "python -m" not in done.stdout
    assert run("--help").stdout.startswith("usage: python -m pylibbpf ")
