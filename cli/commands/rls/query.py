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
    from pyglobus.cli.commands.rls.fetch import Fetch
    from pyglobus.cli.commands.rls.language import Row
    from pyglobus.core.rls import Client

PROMPT = "rls> "
_COMMANDS, _COPIES, _SERVER = "Commands", "Copies", "Server"


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
@option("--copy", "destination", metavar="DEST", completion="url", section=_COPIES,
    help="With locate: copy a replica to DEST, of this machine if there is one; if it fails, the next.")  # fmt: skip
@option("--register", is_flag=True, section=_COPIES,
    help="Register the copy, at the catalogue that was the first to name the file.")  # fmt: skip
@option("--register-at", metavar="URL", completion="url", section=_COPIES,
    help="Register the copy at this catalogue.")  # fmt: skip
@option("--stats", type=DURATION, metavar="TIME", section=_COPIES,
    help="Show a line of progress this often, where there is no terminal.")  # fmt: skip
@option("-l", "--limit", type=COUNT, metavar="N", section=_SERVER, parity=SAME,
    help="Ask for N results at a time; all are shown.")  # fmt: skip
@option("-t", "--timeout", type=DURATION, metavar="TIME", section=_SERVER, parity=BETTER, remark="also 5m",
    help="Give up after so long without an answer; 0: never. [default: 30s]")  # fmt: skip
@option("--server", metavar="URL", completion="url", section=_SERVER,
    help="The server, where no URL is given. [default: PYGLOBUS_RLS_SERVER]")  # fmt: skip
@option("--subject", metavar="DN", section=_SERVER, help="Who the server must be. [default: its host]")
@option("--protect", is_flag=True, section=_SERVER,
    help="Encrypt and sign what follows the login; only with servers of this package.")  # fmt: skip
def query(*, output: Output, words: Sequence[str], **given: Any) -> int | None:
    """Ask the Replica Location Service which replicas a file has, which catalogues know it, and what its attributes
    are; and change that.

    A line of a result is a name, a colon, and what is known of it. locate NAME asks an index, and then all catalogues
    that it names; with --copy it fetches the file.
    """
    from pyglobus.core.version import __version__

    if given["show_version"]:
        output.line(f"rls-query: {__version__}")
        return None
    words = list(words)
    url = given["server"]
    if url is None and words and words[-1].startswith(("rls://", "rlsn://")):
        url = words.pop()
    run = _Run(output, given, url)
    try:
        if words:
            if run.fetch is not None and words[0] != "locate":
                raise errors.UsageError("--copy, --register and --register-at are for locate")
            if given["script"]:
                raise errors.UsageError("a command and --file exclude each other")
            if given["source"]:
                words += _input(given["source"])
            run.one(words)
        elif given["source"]:
            raise errors.UsageError("-i is for a bulk command")
        elif run.fetch is not None:
            raise errors.UsageError("--copy needs a command: locate LFN")
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
        server = os.environ.get("PYGLOBUS_RLS_SERVER")
        #: Who is asked for what a catalogue knows, and for what an index does.
        self._urls = url or server, url or os.environ.get("PYGLOBUS_RLS_INDEX") or server
        self._clients: dict[str, Client] = {}
        self.fetch = _fetch(given)
        self._setting = Setting(given["sql"] and not given["unix"], given["clear"])
        self._timeout = 30.0 if given["timeout"] is None else float(given["timeout"])
        self._page = int(given["limit"] or 0)
        self._records: list[dict[str, Any]] = []
        self._warnings: list[dict[str, Any]] = []
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
            self._show(found.work(self._connected(index="rli" in found.words), arguments, self._setting))
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
            self._output.result("results", {"results": self._records, "warnings": self._warnings})

    def close(self) -> None:
        """End the connection."""
        while self._clients:
            self._clients.popitem()[1].close()

    def connect(self, url: str, subject: str | None = None) -> Client:
        """A connection as it was asked for."""
        from pyglobus.core.rls import Client

        return Client(url, timeout=self._timeout, page=self._page, subject=subject, protect=self._given["protect"])

    def _connected(self, *, index: bool = False) -> Client:
        url = self._urls[index]
        if url is None:
            why = "give the URL of a server last, by --server, or in PYGLOBUS_RLS_SERVER"
            raise errors.UsageError("no server", why=why)
        client = self._clients.get(url)
        if client is None or client.closed:
            client = self._clients[url] = self.connect(url, self._given["subject"])
        return client

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
            for client in self._clients.values():
                client.page = self._page

    def _located(self, names: list[str]) -> Iterator[Row]:
        from pyglobus.cli.commands.rls.language import Row
        from pyglobus.core.rls.locate import locate

        if not names:
            raise errors.UsageError("usage: locate LFN...")
        target = self.fetch.target(names) if self.fetch is not None else None
        for name in names:
            found = locate(name, self._connected(index=True), self.connect)
            for url, error in found.silent:
                self._warn(
                    f"{url} does not answer: {error}", {"catalogue": url, "why": str(error), "fault": error.fault}
                )
            if self.fetch is not None and target is not None and found.replicas:
                yield self.fetch(self._output, name, found.replicas, target, self.connect, self._warn)
                continue
            for each in found.replicas:
                yield Row(f"{each.lfn}: {each.pfn}", each._asdict())
            if not found.replicas:
                if found.silent:
                    why = f"{len(found.silent)} catalogues that may know it do not answer"
                    raise errors.TransientError("no replica found", where=name, why=why)
                raise errors.NotFound("LFN doesn't exist", where=name)

    def _warn(self, text: str, record: dict[str, Any]) -> None:
        """Tell what has failed and is not the end."""
        if self._output.is_text:
            self._output.warning(f"{self._output.command}: {text}")
        else:
            self._output.event("warning", record)
            self._warnings.append(record)

    def _show(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.failures += row.failed
            if self._output.format == "json":
                self._records.append(row.record)
            else:
                text = f"{'  ' if self._given['decorated'] else ''}{_line(row.text)}"
                self._output.event("failure" if row.failed else "result", row.record, text)


def _fetch(given: dict[str, Any]) -> Fetch | None:
    if given["destination"] is None:
        if given["register"] or given["register_at"]:
            raise errors.UsageError("only a copy can be registered", hint="--copy DEST makes one")
        return None
    from pyglobus.cli.commands.rls.fetch import Fetch

    register = given["register"] or given["register_at"] is not None
    return Fetch(given["destination"], register, given["register_at"], given["stats"])


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
