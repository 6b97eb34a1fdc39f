# SPDX-License-Identifier: Apache-2.0
"""What a command shows: results on stdout, everything else on stderr.

There is one `Output` in a process. The entry point makes it, the common options set it, and each command gets it as
``output``. A result is one record (a mapping of JSON values); its text is a projection of the same record:

- ``text``: the text, and each event's text as it happens;
- ``json``: the result alone, as one document;
- ``jsonl``: each event and the result as one line each, every one with a ``type``.

Records only ever grow: a key, once released, keeps its name, its type and its meaning. Text from elsewhere (servers,
file names) passes through `printable` before it is part of a message.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from pyglobus.cli.exits import code_of
from pyglobus.core import errors

Record = Mapping[str, Any]

FORMATS = ("text", "json", "jsonl")
INTERNAL_HINT = "this is a bug in pyglobus: please report it, with what the same command prints with --debug"


class Output:
    """Where results, notes and errors go, and in which form.

    ``command`` is the name that messages begin with. ``verbosity`` counts -v: from 2 on, details and error chains are
    shown.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.format = "text"
        self.verbosity = 0
        self.quiet = False
        self.debug = False
        #: The exit status for an error; a drop-in command puts its C tool's numbers here.
        self.status_of: Callable[[BaseException], int] = code_of
        #: Set by a live display: called before anything else is written to the terminal.
        self.clear_display: Callable[[], None] | None = None

    @property
    def is_text(self) -> bool:
        """True if people read this; otherwise a program does."""
        return self.format == "text"

    def result(self, kind: str, record: Record, text: str | Callable[[], str] = "") -> None:
        """Show what the command was run for. ``text`` may be a function, called only when text is wanted."""
        if self.is_text:
            self.line(text if isinstance(text, str) else text())
        else:
            self._write(sys.stdout, _json({"type": kind, **record}, indent=2 if self.format == "json" else None))

    def event(self, kind: str, record: Record, text: str | Callable[[], str] = "") -> None:
        """Show one thing that happened on the way to the result."""
        if self.is_text:
            self.line(text if isinstance(text, str) else text())
        elif self.format == "jsonl":
            self._write(sys.stdout, _json({"type": kind, **record}))
            self.flush()

    def line(self, text: str) -> None:
        """Write text to stdout as it is; nothing for an empty one."""
        if text:
            self._write(sys.stdout, text)

    def part(self, text: str) -> None:
        """Write a part of a line to stdout, at once."""
        self._write(sys.stdout, text, end="")
        self.flush()

    def note(self, text: str) -> None:
        """Tell something worth knowing, on stderr, unless -q."""
        if not self.quiet and self.is_text:
            self._write(sys.stderr, f"{self.command}: {text}")

    def warning(self, text: str) -> None:
        """Tell what must not be overlooked, on stderr, as it is and even with -q."""
        if self.is_text:
            self._write(sys.stderr, text)

    def detail(self, text: str) -> None:
        """Tell how something is done, on stderr, with -vv or --debug."""
        if self.verbosity >= 2 or self.debug:
            self._write(sys.stderr, f"{self.command}: {text}")

    def progress_line(self, text: str) -> None:
        """Write one line of progress to stderr, unless -q."""
        if not self.quiet:
            self._write(sys.stderr, text)

    def error(self, error: BaseException, exit_code: int | None = None) -> None:
        """Show an error: one line, a hint, with -vv the chain of causes, with --debug the traceback, and for programs
        JSON.
        """
        shown = error if isinstance(error, errors.Error) else _internal(error)
        if self.debug:
            import traceback

            self._write(sys.stderr, "".join(traceback.format_exception(error)).rstrip())
        lines = [f"{self.command}: {printable(str(shown))}"]
        if shown.hint:
            lines.append(f"hint: {printable(shown.hint)}")
        if self.verbosity >= 2 or self.debug:
            lines += [f"  {printable(link)}" for link in shown.chain]
        if not self.is_text:
            lines.append(
                _json({"type": "error", **error_record(shown, code_of(error) if exit_code is None else exit_code)})
            )
        self._write(sys.stderr, "\n".join(lines))

    def flush(self) -> None:
        """Write out what stdout still holds. Raises `DataError` if that is not possible, BrokenPipeError if nobody
        reads it.
        """
        with _telling(sys.stdout):
            sys.stdout.flush()

    def _write(self, stream: IO[str], text: str, end: str = "\n") -> None:
        if self.clear_display is not None:
            self.clear_display()
        with _telling(stream):
            stream.write(text + end)


def error_record(error: errors.Error, exit_code: int) -> dict[str, Any]:
    """The JSON form of an error, without its ``type``. ``failures`` is there for errors that are made of several."""
    record: dict[str, Any] = {
        "message": printable(str(error)),
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "hint": error.hint,
        "fault": error.fault,
        "exit_code": int(exit_code),
        "ftp_code": error.ftp_code,
        "errno": error.errno,
        "chain": list(error.chain),
    }
    if isinstance(error, errors.PartlyDone):
        record["failures"] = [error_record(failure, code_of(failure)) for failure in error.failures]
    return record


def printable(text: str) -> str:
    """``text`` on one line and harmless to a terminal: white space made one blank, control characters written as
    escapes.
    """
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def columns(rows: Sequence[Sequence[str]], *, gap: int = 2) -> str:
    """Rows of cells as aligned text, without white space at the ends of lines."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        (" " * gap).join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def prepare_streams() -> None:
    """Let stdout and stderr carry any name: bytes that are no text come out as they were, what the locale lacks as
    ``?``.
    """
    import codecs

    codecs.register_error("pyglobus.names", _encode_name)
    # Python has none where the descriptor was closed when it started.
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="pyglobus.names")


@contextmanager
def _telling(stream: IO[str]) -> Generator[None]:
    """Within the block ``stream`` is written to. Where stderr cannot be, the exit status has to tell alone."""
    try:
        yield
    except OSError as error:
        # What could not be written stays in the stream: it needs a place to go, or the interpreter complains at its
        # end.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        if isinstance(error, BrokenPipeError):
            raise
        if stream is sys.stderr:
            return
        raise errors.DataError("cannot write to standard output", why=error.strerror, errno=error.errno) from error


def _encode_name(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return b"".join(bytes([ord(c) - 0xDC00]) if "\udc80" <= c <= "\udcff" else b"?" for c in bad), error.end


def _internal(error: BaseException) -> errors.Error:
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return errors.Error("internal error", why=why, hint=INTERNAL_HINT, fault="internal")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _json(record: Record, indent: int | None = None) -> str:
    import json

    return json.dumps(record, indent=indent, default=str)
