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


def pass_phrases(question: str, attempts: int = ATTEMPTS) -> Iterator[bytes]:
    """What the user types, once for each time that the next one is wanted: the one before was wrong.

    Raises `errors.CredentialError` if there is no terminal.
    """
    for attempt in range(attempts):
        with _terminal() as descriptor:
            typed = _ask(descriptor, f"{'That was not it. ' if attempt else ''}{question}")
        yield typed


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
            if not read:
                break
            line += read
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        os.write(descriptor, b"\n")
    return bytes(line.partition(b"\n")[0])


@contextmanager
def _terminal() -> Generator[int]:
    try:
        descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.CredentialError(
            "cannot ask for the pass phrase",
            why="there is no terminal",
            hint="give it on standard input (-pwstdin), in a file (--pass-phrase-file) or by systemd "
            "(--pass-phrase-credential)",
            fault="no-terminal",
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
