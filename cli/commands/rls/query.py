# SPDX-License-Identifier: Apache-2.0
"""pyglobus rls query, or rls-query: in place of globus-rls-cli.

One command on the command line, the lines of a file or of standard input, or a conversation on a terminal: each is a
list of words for `language`. A connection is made when the first command needs one, and anew after one is lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.exits import ExitCode
from pyglobus.cli.values import COUNT, DURATION
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.cli.commands.rls.language import Row
    from pyglobus.core.rls import Client

PROMPT = "rls> "
_COMMANDS, _SERVER = "Commands", "Server"


@command(
    "query",
    summary="ask and change catalogues of replicas",
    drop_in="globus-rls-cli",
    formats=("text", "json", "jsonl"),
)
@argument("words", nargs=-1, metavar="[COMMAND [ARGUMENT]...] [URL]", completion="url",
    help="A command, and last the URL of a server. Without a command they are read from the terminal, or from standard"
    " input, one a line; help lists them.")  # fmt: skip
@option("-i", "--input", "source", metavar="FILE", completion="file", section=_COMMANDS, parity=SAME,
    help="Read further arguments of a bulk command from FILE, or from standard input (-): words, parted by white"
    " space.")  # fmt: skip
@option("--file", "script", metavar="FILE", completion="file", section=_COMMANDS,
    help="Read commands from FILE, one a line.")  # fmt: skip
@option("-s", "--sql", is_flag=True, section=_COMMANDS, parity=SAME, help="Patterns are those of SQL: % and _.")
@option("-u", "--unix", is_flag=True, section=_COMMANDS, parity=SAME,
    help="Patterns are those of shells: * and ?. This is the default.")  # fmt: skip
@option("-c", "--clear", is_flag=True, section=_COMMANDS, parity=SAME,
    help="With attribute undefine: also where names have values of it.")  # fmt: skip
@option("-d", "--decorated", is_flag=True, section=_COMMANDS, parity=SAME,
    help="Begin lines of results with two blanks, as old releases did.")  # fmt: skip
@option("-v", "show_version", is_flag=True, section=_COMMANDS, parity=SAME, help="Print the version and end.")
@option("-l", "--limit", type=COUNT, metavar="N", section=_SERVER, parity=SAME,
    help="Ask for N results at a time; all are shown.")  # fmt: skip
@option("-t", "--timeout", type=DURATION, metavar="TIME", section=_SERVER, parity=BETTER, remark="also 5m",
    help="Give up after so long without an answer; 0: never. [default: 30s]")  # fmt: skip
@option("--server", metavar="URL", completion="url", section=_SERVER,
    help="The server, where no URL is given. [default: PYGLOBUS_RLS_SERVER]")  # fmt: skip
@option("--subject", metavar="DN", section=_SERVER, help="Who the server must be. [default: its host]")
def query(*, output: Output, words: Sequence[str], **given: Any) -> int | None:
    """Ask the Replica Location Service which replicas a file has, which catalogues know it, and what its attributes
    are; and change that.

    A line of a result is a name, a colon, and what is known of it. locate NAME asks an index, and then all catalogues
    that it names.
    """
    from pyglobus.core.version import __version__

    if given["show_version"]:
        output.line(f"rls-query: {__version__}")
        return None
    words = list(words)
    url = given["server"]
    if url is None and words and words[-1].startswith(("rls://", "rlsn://")):
        url = words.pop()
    run = _Run(output, given, url or os.environ.get("PYGLOBUS_RLS_SERVER"))
    try:
        if words:
            if given["script"]:
                raise errors.UsageError("a command and --file exclude each other")
            if given["source"]:
                words += _input(given["source"])
            run.one(words)
        elif given["source"]:
            raise errors.UsageError("-i is for a bulk command")
        else:
            run.lines(given["script"])
        run.finish()
    finally:
        run.close()
    return ExitCode.PARTLY if run.failures else None


class _Run:
    """One run of the command."""

    def __init__(self, output: Output, given: dict[str, Any], url: str | None) -> None:
        from pyglobus.cli.commands.rls.language import Setting

        self._output = output
        self._given = given
        self._url = url
        self._client: Client | None = None
        self._setting = Setting(given["sql"] and not given["unix"], given["clear"])
        self._timeout = 30.0 if given["timeout"] is None else float(given["timeout"])
        self._page = int(given["limit"] or 0)
        self._records: list[dict[str, Any]] = []
        self.failures = 0

    def one(self, words: list[str]) -> bool:
        """Do one command; whether there may be another."""
        from pyglobus.cli.commands.rls import language

        if words == ["exit"]:
            return False
        if words[0] == "help":
            self._output.line(language.help_text())
        elif words == ["version"]:
            from pyglobus.core.version import __version__

            self._output.line(__version__)
        elif words[0] == "set":
            self._set(words[1:])
        elif words[0] == "locate":
            self._show(self._located(words[1:]))
        else:
            found, arguments = language.find(words)
            if self._given["source"] and "bulk" not in found.words:
                raise errors.UsageError("-i is for a bulk command")
            self._show(found.work(self._connected(), arguments, self._setting))
        return True

    def lines(self, path: str | None) -> None:
        """Do the commands of a file, of standard input, or of somebody at a terminal."""
        from pyglobus.cli.commands.rls.language import split

        asks = path is None and sys.stdin.isatty()
        if asks:
            _prepare_terminal()
        for line in _conversation() if asks else _lines(path):
            try:
                words = split(line)
                if words and not words[0].startswith("#") and not self.one(words):
                    return
            except errors.Error as error:
                self.failures += not asks
                self._output.error(error)
            self._output.flush()

    def finish(self) -> None:
        """Show what is shown at the end."""
        if self._output.format == "json":
            self._output.result("results", {"results": self._records})

    def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def connect(self, url: str) -> Client:
        """A connection as it was asked for."""
        from pyglobus.core.rls import Client

        return Client(url, timeout=self._timeout, page=self._page)

    def _connected(self) -> Client:
        if self._client is None or self._client.closed:
            if self._url is None:
                why = "give the URL of a server last, by --server, or in PYGLOBUS_RLS_SERVER"
                raise errors.UsageError("no server", why=why)
            from pyglobus.core.rls import Client

            self._client = Client(self._url, timeout=self._timeout, page=self._page, subject=self._given["subject"])
        return self._client

    def _set(self, words: list[str]) -> None:
        if (
            len(words) != 2
            or words[0] not in ("reslimit", "timeout")
            or not (words[1].isascii() and words[1].isdigit())
        ):
            raise errors.UsageError("usage: set reslimit|timeout N")
        if words[0] == "timeout":
            self._timeout = float(words[1][:9])
            self.close()
        else:
            self._page = int(words[1][:9])
            if self._client is not None:
                self._client.page = self._page

    def _located(self, names: list[str]) -> Iterator[Row]:
        from pyglobus.cli.commands.rls.language import Row
        from pyglobus.core.rls.locate import locate

        if not names:
            raise errors.UsageError("usage: locate LFN...")
        for name in names:
            found = locate(name, self._connected(), self.connect)
            for url, error in found.silent:
                self._output.warning(f"{self._output.command}: {url} does not answer: {error}")
            for each in found.replicas:
                yield Row(f"{each.lfn}: {each.pfn}", each._asdict())
            if not found.replicas:
                if found.silent:
                    why = f"{len(found.silent)} catalogues that may know it do not answer"
                    raise errors.TransientError("no replica found", where=name, why=why)
                raise errors.NotFound("LFN doesn't exist", where=name)

    def _show(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.failures += row.failed
            if self._output.format == "json":
                self._records.append(row.record)
            else:
                text = f"{'  ' if self._given['decorated'] else ''}{_line(row.text)}"
                self._output.event("failure" if row.failed else "result", row.record, text)


def _line(text: str) -> str:
    """A name's line breaks and other control characters would be taken for something else."""
    if text.isprintable():
        return text
    from pyglobus.cli.output import printable

    return printable(text)


def _input(path: str) -> list[str]:
    return [word for line in _lines(None if path == "-" else path) for word in line.split()]


def _lines(path: str | None) -> Iterator[str]:
    if path is None or path == "-":
        yield from sys.stdin
        return
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            yield from stream
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot read", where=path, role="source") from error


def _conversation() -> Iterator[str]:
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return


def _prepare_terminal() -> None:
    """History, and completion of the words that commands begin with."""
    try:
        import readline
    except ImportError:  # an interpreter without it reads lines as they are typed
        return
    from pyglobus.cli.commands.rls.language import COMMANDS, LOCAL

    forms = [*(each.words for each in COMMANDS), *(tuple(words.split()) for words, _ in LOCAL), ("locate",)]

    def complete(beginning: str, state: int) -> str | None:
        before = tuple(readline.get_line_buffer()[: readline.get_begidx()].split())
        count = len(before)
        words = {form[count] for form in forms if len(form) > count and form[:count] == before}
        found = sorted(word for word in words if word.startswith(beginning))
        return f"{found[state]} " if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t")
    readline.parse_and_bind("tab: complete")
