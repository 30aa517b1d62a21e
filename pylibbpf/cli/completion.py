# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""completion: what a shell needs to complete command lines, made from argparse's own tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse

HELP = "write completion for a shell"
DESCRIPTION = "Writes what bash or zsh needs to complete the script `pylibbpf`, for the shell to read."
EXAMPLES = """
  eval "$(pylibbpf completion bash)"    in ~/.bashrc
  pylibbpf completion bash > /usr/share/bash-completion/completions/pylibbpf
  pylibbpf completion zsh > ~/.zsh/completions/_pylibbpf
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")


def run(options: argparse.Namespace) -> None:
    from .parser import make_parser

    commands = _commands(make_parser())
    print((_bash if options.shell == "bash" else _zsh)(commands), end="")


class _Command(NamedTuple):
    """A command, or a group of some.

    Attributes:
        path: the words that call it, "prog list"; "" for the program itself.
        words: what may follow, with what it is: commands, options, choices of arguments.
        values: choices of options, by the option.
        takers: options that take any value.
        children: those of the words that are commands.
    """

    path: str
    words: dict[str, str]
    values: dict[str, list[str]]
    takers: list[str]
    children: list[str]


def _commands(parser: argparse.ArgumentParser, path: str = "") -> list[_Command]:
    """A parser's commands, and those below them."""
    import argparse

    words: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    takers: list[str] = []
    children: list[str] = []
    below: list[_Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                words[name] = helps.get(name, "")
                children.append(name)
                below += _commands(child, f"{path} {name}".strip())
        elif not action.option_strings:
            words.update({str(choice): action.help or "" for choice in action.choices or ()})
        else:
            words.update(dict.fromkeys(action.option_strings, action.help or ""))
            for option in action.option_strings:
                if action.choices:
                    values[option] = [str(choice) for choice in action.choices]
                elif action.nargs != 0:
                    takers.append(option)
    return [_Command(path, words, values, takers, children), *below]


def _bash(commands: list[_Command]) -> str:
    lines = [
        "# Completion of pylibbpf for bash, made by `pylibbpf completion bash`.",
        "_pylibbpf() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="" word words="" index',
        "    for ((index = 1; index < COMP_CWORD; index++)); do",
        '        word="${COMP_WORDS[index]}"',
        '        case "$command:$word" in',
        *(
            f'            {_steps(each)}) command="${{command:+$command }}$word" ;;'
            for each in _parents(commands)
        ),
        "        esac",
        "    done",
        '    case "$command:$before" in',
    ]
    for command in commands:
        for option, choices in command.values.items():
            lines.append(f"        '{command.path}:{option}') words='{' '.join(choices)}' ;;")
        if command.takers:
            pattern = "|".join(f"'{command.path}:{option}'" for option in command.takers)
            lines.append(f"        {pattern}) return ;;")
    lines += ['        *) case "$command" in']
    lines += [f"            '{command.path}') words='{' '.join(command.words)}' ;;" for command in commands]
    lines += [
        "        esac ;;",
        "    esac",
        # Files are completed where no word fits.
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o default -F _pylibbpf pylibbpf",
    ]
    return "\n".join(lines) + "\n"


def _parents(commands: list[_Command]) -> list[_Command]:
    return [command for command in commands if command.children]


def _steps(command: _Command) -> str:
    return "|".join(f"'{command.path}:{name}'" for name in command.children)


def _zsh(commands: list[_Command]) -> str:
    lines = [
        "#compdef pylibbpf",
        "# Completion of pylibbpf for zsh, made by `pylibbpf completion zsh`.",
        "_pylibbpf() {",
        '    local command="" word before="${words[CURRENT-1]}"',
        "    local -a found",
        '    for word in "${(@)words[2,CURRENT-1]}"; do',
        '        case "$command:$word" in',
        *(
            f'            {_steps(each)}) command="${{command:+$command }}$word" ;;'
            for each in _parents(commands)
        ),
        "        esac",
        "    done",
        '    case "$command:$before" in',
    ]
    for command in commands:
        for option, choices in command.values.items():
            lines.append(f"        '{command.path}:{option}') found=({' '.join(choices)}) ;;")
        if command.takers:
            pattern = "|".join(f"'{command.path}:{option}'" for option in command.takers)
            lines.append(f"        {pattern}) _files; return ;;")
    lines += ['        *) case "$command" in']
    for command in commands:
        described = " ".join(_described(word, help) for word, help in command.words.items())
        lines.append(f"            '{command.path}') found=({described}) ;;")
    lines += [
        "        esac ;;",
        "    esac",
        '    _describe "pylibbpf $command" found || _files',
        "}",
        # Read by `eval`, or by zsh itself from a directory of its fpath.
        'if [ "${funcstack[1]}" = "_pylibbpf" ]; then _pylibbpf "$@"; else compdef _pylibbpf pylibbpf; fi',
    ]
    return "\n".join(lines) + "\n"


def _described(word: str, help: str) -> str:
    """A word with its description, as _describe takes it."""
    text = help.replace("'", "'\\''").replace(":", "\\:").replace("%%", "%")
    return f"'{word}:{text}'"
