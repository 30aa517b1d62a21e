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
from collections.abc import Callable
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


@pytest.fixture(params=["pylibbpf", "python -m pylibbpf"])
def eighty_columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A terminal of 80 columns; how the program is called on it."""
    monkeypatch.setenv("COLUMNS", "80")
    script = "/usr/bin/pylibbpf" if request.param == "pylibbpf" else "/src/pylibbpf/__main__.py"
    monkeypatch.setattr("sys.argv", [script])
    name: str = request.param
    return name


def test_help_names_every_command(capsys: pytest.CaptureFixture[str], eighty_columns: str) -> None:
    shown = help_of(capsys)
    assert shown.startswith(f"usage: {eighty_columns} ")
    assert max(map(len, shown.splitlines())) <= 80
    for path in COMMANDS:
        assert re.search(rf"^    {path[0]}\b", shown, re.MULTILINE)
    for group in GROUPS:
        shown = help_of(capsys, group)
        for path in COMMANDS:
            if path[0] == group:
                assert re.search(rf"^    {path[1]}\b", shown, re.MULTILINE)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_fits_and_has_examples(
    capsys: pytest.CaptureFixture[str], path: tuple[str, ...], eighty_columns: str
) -> None:
    shown = help_of(capsys, *path)
    assert shown.startswith(f"usage: {eighty_columns} {' '.join(path)} ")
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
    message = failure("nonesuch", status=2)
    assert "there is no 'nonesuch'; there are prog, map, link, btf," in message
    assert "the following arguments are required" in failure("map", "get", status=2)
    assert "list the loaded programs" in failure("prog", status=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], "there is no 'chek'; did you mean 'check'?"),
        (["list"], "did you mean 'prog list' or 'map list' or 'link list' or 'btf list'?"),
        (["prog", "lst"], "pylibbpf prog: error: argument COMMAND: there is no 'lst'; did you mean 'list'?"),
        (["completion", "fish"], "there is no 'fish'; there are bash, zsh"),
        (
            ["run", "x.o", "--duratoin", "1"],
            "unrecognized arguments: --duratoin 1; did you mean '--duration'?",
        ),
        (["run", "x.o", "--duratoin=1"], "did you mean '--duration'?"),
        (["btf", "show", "extra"], "usage: python -m pylibbpf btf show "),
        (["run", "x.o", "--duration", "-1"], "argument --duration: '-1' is no number of seconds"),
        (["run", "x.o", "--duration", "nan"], "argument --duration: 'nan' is no number of seconds"),
        (["run", "x.o", "--count", "0"], "argument --count: '0' is no number from 1 on"),
        (["prog", "profile", "--duration", "long"], "'long' is no number of seconds"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_of_the_command_line_is_told_with_what_was_meant(
    arguments: list[str], words: str
) -> None:
    assert words in failure(*arguments, status=2)


def test_a_type_or_kind_that_is_misspelt_is_offered_without_the_whole_list() -> None:
    message = failure("map", "list", "--type", "hsah")
    assert message == "pylibbpf: no type is called 'HSAH'; did you mean 'HASH'?\n"
    assert "there are HASH, ARRAY, PROG_ARRAY," in failure("map", "list", "--type", "nonesuch")
    message = failure("btf", "find", "tcp_*", "--kind", "fnc")
    assert message == "pylibbpf: 'fnc' is no kind of type; did you mean 'func'?\n"
    assert "; there are int, ptr, array," in failure("btf", "find", "tcp_*", "--kind", "q")


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


def on_terminal(columns: int, *arguments: object, status: int = 0, **environ: str) -> str:
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
    assert process.returncode == status, read
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
def test_names_of_the_kernel_are_whole_on_80_columns(attached: bpf.Object) -> None:
    shown = re.sub(r"\033\[\d*m", "", on_terminal(80, "map", "list"))
    assert max(map(len, shown.splitlines())) <= 80
    for each in attached.maps.values():
        assert f" {each.name[:15]} " in shown


def test_a_message_that_is_too_long_for_the_terminal_breaks_between_words() -> None:
    path = "/nonesuch/" + "x" * 30
    shown = re.sub(r"\033\[\d*m", "", on_terminal(60, "object", "show", path, status=1))
    assert max(map(len, shown.splitlines())) <= 60
    joined = " ".join(shown.split())
    assert f"cannot open BPF object '{path}': No such file or directory (ENOENT)" in joined
    assert f"cannot open BPF object '{path}': No such file or directory (ENOENT)\n" in failure(
        "object", "show", path
    )


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
    done = run_without_rights("prog", "list")
    assert done.stdout == "1\n"
    assert "Operation not permitted" in done.stderr
    assert "CAP_BPF" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.needs("root")
def test_what_could_not_be_tried_without_rights_is_not_called_a_failure(
    bpf_object: Callable[[str], Path],
) -> None:
    path = str(bpf_object("cli"))
    *shown, verdict, status = run_without_rights("check", path).stdout.splitlines()
    assert (verdict, status) == ("Whether it loads on this kernel was not tried: this process may not.", "1")
    assert sum("(EPERM)" in line for line in shown) == 1
    shown = run_without_rights("object", "show", path).stdout.splitlines()
    assert any(line.startswith("Which CO-RE relocations would fail, cannot be told here") for line in shown)
    shown = run_without_rights("features").stdout.splitlines()
    assert "unknown: the kernel did not permit this process to try it" in shown


def run_without_rights(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command writes as root without any capability, and its status as the last line."""
    call = f"keep_capabilities(0)\nfrom pylibbpf.cli import main\nprint(main({list(arguments)!r}))"
    return subprocess.run(
        [sys.executable, "-c", f"{KEEP_CAPABILITIES}\n{call}"], capture_output=True, text=True, check=True
    )


def test_the_script_of_the_package_is_this_command_line() -> None:
    script = "import sys; sys.argv = ['/usr/bin/pylibbpf', '--help']; from pylibbpf.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: pylibbpf ")
    assert "python -m" not in done.stdout
    assert run("--help").stdout.startswith("usage: python -m pylibbpf ")
