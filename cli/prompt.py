# SPDX-License-Identifier: Apache-2.0
"""Asking for a pass phrase: on the terminal itself, whatever standard input is, and never seen.

What is typed is returned as bytes, and is nowhere else. The terminal's settings come back also when a signal ends the
question.
"""

from __future__ import annotations

import os
import termios
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from pyglobus.core import errors

ATTEMPTS = 3

_TERMINAL = "/dev/tty"
_MAX_BYTES = 1024


_AGAIN = "run the command again when you have the pass phrase"

#: What else to do where there is no terminal: the options of proxy-init.
_HINT = "give it on standard input (-pwstdin), in a file (--pass-phrase-file) or by systemd (--pass-phrase-credential)"


def pass_phrases(question: str, attempts: int = ATTEMPTS) -> Iterator[bytes]:
    """What the user types, once for each time that the next one is wanted: the one before was wrong.

    Raises `errors.CredentialError` if there is no terminal.
    """
    for attempt in range(attempts):
        yield pass_phrase(f"{'That was not it. ' if attempt else ''}{question}", hint=_HINT)


def pass_phrase(question: str, *, hint: str, twice: bool = False) -> bytes:
    """What the user types; with ``twice`` it must be the same two times. Raises `errors.CredentialError` if it is not,
    and where there is no terminal, with the ``hint``.
    """
    with _terminal("cannot ask for the pass phrase", hint) as descriptor:
        typed = _ask(descriptor, question)
        if twice and _ask(descriptor, f"Verifying - {question}") != typed:
            raise errors.CredentialError("cannot use pass phrase", why="the two are not the same", fault="mistyped")
    return typed


def confirm(text: str, question: str, *, hint: str) -> bool:
    """Show ``text`` and ask for a yes, in full; anything else is a no. Raises `errors.CredentialError` where there is
    no terminal.
    """
    with _terminal("cannot ask whether to go on", hint) as descriptor:
        os.write(descriptor, f"{text}\n{question} (yes or no): ".encode())
        return os.read(descriptor, _MAX_BYTES).strip().lower() == b"yes"


def _ask(descriptor: int, question: str) -> bytes:
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] &= ~(termios.ECHO | termios.ECHONL)
    line = bytearray()
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        os.write(descriptor, question.encode())
        while b"\n" not in line and len(line) <= _MAX_BYTES:
            read = os.read(descriptor, _MAX_BYTES)
            if not read:  # Ctrl-D on an empty line
                raise errors.CredentialError(
                    "no pass phrase", why="the terminal has ended the input", hint=_AGAIN, fault="input-ended"
                )
            line += read
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        os.write(descriptor, b"\n")
    return bytes(line.partition(b"\n")[0])


@contextmanager
def _terminal(what: str, hint: str) -> Generator[int]:
    try:
        descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.CredentialError(what, why="there is no terminal", hint=hint, fault="no-terminal") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
