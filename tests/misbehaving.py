# SPDX-License-Identifier: Apache-2.0
"""An FTP server that keeps to the protocol until it is told not to.

    with Server({"/a": b"bytes"}, Faults(cut_at=7)) as server:
        ...  # server.url("/a"), and afterwards server.files, server.commands

Without faults it serves a tree held in memory to any number of connections, each in a thread of its own: RFC 959, 2389,
2428, 3659, and CKSM, ERET, ESTO and MODE E of GridFTP as far as a client needs them. `Faults` says where it goes wrong.
Sockets are on loopback, and leaving the block closes all of them, also those of a server that hangs.
"""

from __future__ import annotations

import hashlib
import posixpath
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

#: Flags of a block's header in MODE E (GFD.20): the sender is done with this connection, the offset field is the number
#: of connections, and the connection may close.
_EOD, _EODC, _CLOSE = 8, 64, 4
_HEADER = struct.Struct(">BQQ")
#: What a client may take before it sends or accepts data; then the server gives up, as real ones do.
_PATIENCE = 20.0
_FEATURES = ("UTF8", "MLST Type*;Size*;Modify*;UNIX.mode*;", "REST STREAM", "SIZE", "MDTM", "EPSV", "CKSM MD5,ADLER32")
_MODIFIED = "20200101000000"


class Cut(Exception):
    """The server closes the control connection."""


class Hang(Exception):
    """The server never says another word, and keeps the connection open."""


def all_of(data: bytes) -> Iterator[bytes]:
    """The data as it should be."""
    yield data


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong; the defaults are nothing.

    Replies are counted from 1 over all connections. ``answers`` replaces what a command does by raw bytes: the n-th
    use of the verb takes the n-th item, and the last one goes on for ever; None in its place does the real thing.
    """

    #: The n-th reply is not sent; the connection is closed instead.
    cut_at: int = 0
    #: The n-th reply is not sent, nor anything after it.
    hang_at: int = 0
    #: The server is gone for good after the cut: it takes new connections and closes them.
    cut_for_good: bool = False
    #: The command's reply is not sent, nor anything after it.
    hang_on: str = ""
    answers: Mapping[str, tuple[bytes | None, ...]] = field(default_factory=dict)
    #: What comes in place of a file's bytes; an exception from it breaks the data channel.
    send: Callable[[bytes], Iterator[bytes]] = all_of
    #: Data channels on which ``send`` acts; later ones are right.
    sends: int = 1 << 30
    #: Bytes of an upload that are taken before the data channel is closed.
    take: int | None = None
    #: Uploads on which ``take`` acts.
    takes: int = 1 << 30
    #: Raw listing in place of that of the tree.
    listing: bytes | None = None
    #: The address and port that PASV and EPSV name, in place of the true ones.
    passive: tuple[str, int] | None = None
    #: Reply after the data: None for the right one, b"" for none (the connection is closed).
    final: bytes | None = None
    #: The reply after the data comes before them.
    final_first: bool = False
    #: The server never opens or reads the data channel after 150.
    idle_after_150: bool = False
    #: It reads or writes this many bytes, then stands still.
    stand_still_after: int | None = None
    checksum: bytes | None = None
    #: Facts about each path in place of the true size.
    size: int | None = None
    #: MODE E is spoken.
    extended: bool = False
    #: Raw bytes on the data channel in MODE E, in place of well-formed blocks.
    blocks: Callable[[bytes, int], Iterator[bytes]] | None = None


class Server:
    """A server on a port of its own for the length of a ``with`` block. ``files`` maps absolute paths to bytes."""

    def __init__(self, files: Mapping[str, bytes] | None = None, faults: Faults | None = None) -> None:
        self.files = dict(files or {})
        self.directories = {"/"} | {parent for path in self.files for parent in _parents(path)}
        self.faults = faults or Faults()
        self.commands: list[str] = []
        self.replies = 0
        self.cut = False
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.sent = self.taken = 0
        self._uses: dict[str, int] = {}
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = self.keep(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._listener.getsockname()[1]

    def url(self, path: str) -> str:
        """The URL of an absolute path."""
        return f"ftp://127.0.0.1:{self.port}{path}"

    def keep(self, opened: socket.socket) -> socket.socket:
        """Remember a socket, so that the end of the server ends every wait on it."""
        with self.lock:
            self._sockets.add(opened)
        if self.closing.is_set():
            close(opened)
        return opened

    def drop(self, opened: socket.socket) -> None:
        """Close a socket and forget it."""
        with self.lock:
            self._sockets.discard(opened)
        close(opened)

    def use(self, verb: str) -> bytes | None:
        """What to say in place of doing this command; None to do it."""
        with self.lock:
            number = self._uses[verb] = self._uses.get(verb, 0) + 1
        answers = self.faults.answers.get(verb) or self.faults.answers.get("*") or (None,)
        return answers[min(number, len(answers)) - 1]

    def next_reply(self) -> None:
        """Count a reply that is about to be sent. Raises `Cut` or `Hang` where one is due."""
        with self.lock:
            self.replies += 1
            if self.replies == self.faults.cut_at or (self.cut and self.faults.cut_for_good):
                self.cut = True
                raise Cut
            if self.faults.hang_at and self.replies >= self.faults.hang_at:
                raise Hang

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with self.lock:
            sockets = list(self._sockets)
        for opened in sockets:
            _wake(opened)
        for thread in self._threads:
            thread.join(timeout=10)
            assert not thread.is_alive(), "a thread of the server hangs"
        for opened in sockets:
            opened.close()  # only now: another server's thread may get the number

    def _start(self, main: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=main, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.closing.is_set():
                self._start(_Connection(self, self.keep(self._listener.accept()[0])).run)


class _Connection:
    """One control connection."""

    def __init__(self, server: Server, control: socket.socket) -> None:
        self.server = server
        self.faults = server.faults
        self.control = control
        self.passive: socket.socket | None = None
        self.active: tuple[str, int] | None = None
        self.cached: socket.socket | None = None
        self.offset = 0
        self.extended = False

    def run(self) -> None:
        try:
            self.reply("220 ready when you are")
            with self.control.makefile("rb") as lines:
                for line in lines:
                    self.command(line)
        except Hang:
            self.server.closing.wait()
        except (Cut, OSError):
            pass
        finally:
            for opened in (self.passive, self.cached, self.control):
                if opened is not None:
                    self.server.drop(opened)

    def reply(self, text: str | bytes) -> None:
        self.server.next_reply()
        self.control.sendall(text + b"\r\n" if isinstance(text, bytes) else text.encode() + b"\r\n")

    def command(self, line: bytes) -> None:
        verb, _, rest = line.decode("latin-1").rstrip("\r\n").partition(" ")
        verb = verb.upper().lstrip("\xff\xf4\xf2")  # an ABOR may come with Telnet's attention
        self.server.commands.append(verb)
        if verb == self.faults.hang_on:
            raise Hang
        answer = self.server.use(verb)
        if answer is not None:
            self.server.next_reply()
            if answer == b"":
                raise Cut
            self.control.sendall(answer)
            return
        do = getattr(self, f"do_{verb.lower()}", None)
        if do is None:
            self.reply(f"500 {verb} not understood")
            return
        do(rest)

    # Session ---------------------------------------------------------------------------------------------------------

    def do_user(self, _: str) -> None:
        self.reply("331 say who you are")

    def do_pass(self, _: str) -> None:
        self.reply("230 welcome")

    def do_feat(self, _: str) -> None:
        features = (*_FEATURES, "PARALLEL", "SPAS", "ERET", "ESTO") if self.faults.extended else _FEATURES
        self.reply("211-Extensions\r\n" + "".join(f" {name}\r\n" for name in features) + "211 End")

    def do_type(self, _: str) -> None:
        self.reply("200 ok")

    do_opts = do_sbuf = do_site = do_noop = do_allo = do_clientinfo = do_type

    def do_mode(self, mode: str) -> None:
        if mode.upper() == "S" or (mode.upper() == "E" and self.faults.extended):
            self.extended = mode.upper() == "E"
            self.reply("200 ok")
        else:
            self.reply("504 no such mode")

    def do_quit(self, _: str) -> None:
        self.reply("221 goodbye")
        raise Cut

    def do_abor(self, _: str) -> None:
        self.reply("226 nothing to abort")

    # Paths -----------------------------------------------------------------------------------------------------------

    def path(self, text: str) -> str:
        return posixpath.normpath("/" + text.encode("latin-1").decode("utf-8", "surrogateescape")).replace("//", "/")

    def facts(self, path: str) -> str:
        if path in self.server.directories:
            return f"Type=dir;Modify={_MODIFIED};UNIX.mode=0755;"
        size = len(self.server.files[path]) if self.faults.size is None else self.faults.size
        return f"Type=file;Size={size};Modify={_MODIFIED};UNIX.mode=0644;"

    def exists(self, path: str) -> bool:
        return path in self.server.files or path in self.server.directories

    def missing(self) -> None:
        self.reply("550 No such file or directory")

    def do_size(self, text: str) -> None:
        path = self.path(text)
        if path not in self.server.files:
            self.missing()
            return
        self.reply(f"213 {len(self.server.files[path]) if self.faults.size is None else self.faults.size}")

    def do_mdtm(self, text: str) -> None:
        if self.exists(self.path(text)):
            self.reply(f"213 {_MODIFIED}")
        else:
            self.missing()

    def do_mlst(self, text: str) -> None:
        path = self.path(text)
        if self.exists(path):
            self.reply(f"250-Facts\r\n {self.facts(path)} {path}\r\n250 End")
        else:
            self.missing()

    def do_mkd(self, text: str) -> None:
        path = self.path(text)
        if self.exists(path):
            self.reply("550 File exists")
        elif posixpath.dirname(path) not in self.server.directories:
            self.missing()
        else:
            self.server.directories.add(path)
            self.reply(f'257 "{path}"')

    def do_dele(self, text: str) -> None:
        if self.server.files.pop(self.path(text), None) is None:
            self.missing()
        else:
            self.reply("250 gone")

    def do_cksm(self, text: str) -> None:
        algorithm, start, length, path = text.split(" ", 3)
        data = self.server.files.get(self.path(path))
        if self.faults.checksum is not None:
            self.reply(b"213 " + self.faults.checksum)
        elif data is None:
            self.missing()
        else:
            part = data[int(start) :] if int(length) < 0 else data[int(start) : int(start) + int(length)]
            adler = algorithm.upper() == "ADLER32"
            self.reply(f"213 {zlib.adler32(part):08x}" if adler else f"213 {hashlib.md5(part).hexdigest()}")

    # Data channels ---------------------------------------------------------------------------------------------------

    def listen(self) -> tuple[str, int]:
        self.forget()
        self.passive = self.server.keep(socket.create_server(("127.0.0.1", 0)))
        self.passive.settimeout(_PATIENCE)
        address: tuple[str, int] = self.passive.getsockname()
        return self.faults.passive or address

    def forget(self) -> None:
        for opened in (self.passive, self.cached):
            if opened is not None:
                self.server.drop(opened)
        self.passive = self.cached = self.active = None

    def do_pasv(self, _: str) -> None:
        host, port = self.listen()
        self.reply(f"227 Entering Passive Mode ({host.replace('.', ',')},{port >> 8},{port & 255})")

    def do_epsv(self, _: str) -> None:
        self.reply(f"229 Entering Extended Passive Mode (|||{self.listen()[1]}|)")

    def do_spas(self, _: str) -> None:
        host, port = self.listen()
        self.reply(f"229-Striped\r\n {host.replace('.', ',')},{port >> 8},{port & 255}\r\n229 End")

    def do_port(self, text: str) -> None:
        self.forget()
        numbers = text.strip().split(",")
        self.active = ".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])
        self.reply("200 ok")

    def do_eprt(self, text: str) -> None:
        self.forget()
        parts = text.strip().strip("|").split("|")
        self.active = parts[1], int(parts[2])
        self.reply("200 ok")

    do_spor = do_port

    def open_data(self) -> socket.socket:
        if self.cached is not None:
            opened, self.cached = self.cached, None
        elif self.active is not None:
            opened = self.server.keep(socket.create_connection(self.active, timeout=_PATIENCE))
        elif self.passive is not None:
            opened = self.server.keep(self.passive.accept()[0])
        else:
            raise Cut
        opened.settimeout(_PATIENCE)
        return opened

    def do_rest(self, text: str) -> None:
        ranges = [part.partition("-")[2] or part for part in text.split(",")]
        self.offset = int(ranges[0])
        self.reply("350 from there")

    def do_nlst(self, text: str) -> None:
        directory = self.path(text)
        names = [posixpath.basename(path) for path in self.children(directory)]
        self.transfer(lambda opened: self.send_listing(opened, "".join(f"{name}\r\n" for name in names)))

    def do_mlsd(self, text: str) -> None:
        directory = self.path(text)
        if directory not in self.server.directories:
            self.missing()
            return
        lines = [f"{self.facts(path)} {posixpath.basename(path)}\r\n" for path in self.children(directory)]
        lines.insert(0, f"Type=cdir;Modify={_MODIFIED};UNIX.mode=0755; {directory}\r\n")
        self.transfer(lambda opened: self.send_listing(opened, "".join(lines)))

    def children(self, directory: str) -> list[str]:
        paths = [*self.server.files, *(self.server.directories - {"/"})]
        return sorted(path for path in paths if posixpath.dirname(path) == directory)

    def send_listing(self, opened: socket.socket, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape") if self.faults.listing is None else self.faults.listing
        self.write(opened, data, 0, all_of)

    def do_retr(self, text: str) -> None:
        self.retrieve(self.path(text), None)

    def do_eret(self, text: str) -> None:
        _, start, length, path = text.split(" ", 3)
        self.retrieve(self.path(path), (int(start), int(length)))

    def retrieve(self, path: str, part: tuple[int, int] | None) -> None:
        data = self.server.files.get(path)
        if data is None:
            self.missing()
            return
        start, self.offset = (part[0] if part else self.offset), 0
        data = data[start : start + part[1]] if part else data[start:]
        with self.server.lock:
            self.server.sent += 1
            faulty = self.server.sent <= self.faults.sends
        self.transfer(lambda opened: self.write(opened, data, start, self.faults.send if faulty else all_of))

    def do_stor(self, text: str) -> None:
        self.store(self.path(text), 0)

    def do_esto(self, text: str) -> None:
        _, start, path = text.split(" ", 2)
        self.store(self.path(path), int(start))

    def store(self, path: str, start: int) -> None:
        if posixpath.dirname(path) not in self.server.directories:
            self.missing()
            return
        start, self.offset = start or self.offset, 0
        with self.server.lock:
            self.server.taken += 1
            faulty = self.server.taken <= self.faults.takes
        old = self.server.files.get(path, b"")
        self.server.files[path] = old[:start].ljust(start, b"\0")

        def take(opened: socket.socket) -> None:
            for offset, piece in self.read(opened, start, self.faults.take if faulty else None):
                held = self.server.files[path].ljust(offset, b"\0")
                self.server.files[path] = held[:offset] + piece + held[offset + len(piece) :]

        self.transfer(take)

    def transfer(self, move: Callable[[socket.socket], None]) -> None:
        self.reply("150 here it comes")
        if self.faults.idle_after_150:
            raise Hang
        final = b"226 done" if self.faults.final is None else self.faults.final
        if self.faults.final_first:
            self.reply(final)
        opened = None
        try:
            opened = self.open_data()
            move(opened)
            if self.extended:
                self.cached, opened = opened, None
        except OSError:
            final = b"426 the data channel broke"
        finally:
            if opened is not None:
                self.server.drop(opened)
                if self.passive is not None:
                    self.server.drop(self.passive)
                    self.passive = None
        if final == b"":
            raise Cut
        if not self.faults.final_first:
            self.reply(final)

    def write(self, opened: socket.socket, data: bytes, start: int, send: Callable[[bytes], Iterator[bytes]]) -> None:
        still = self.faults.stand_still_after
        if still is not None:
            opened.sendall(_block(0, start, data[:still]) if self.extended else data[:still])
            raise Hang
        if not self.extended:
            for piece in send(data):
                opened.sendall(piece)
        elif self.faults.blocks is not None:
            for piece in self.faults.blocks(data, start):
                opened.sendall(piece)
        else:
            for piece in send(data):
                opened.sendall(_block(0, start, piece))
                start += len(piece)
            opened.sendall(_HEADER.pack(_EODC, 0, 1) + _HEADER.pack(_EOD, 0, 0))

    def read(self, opened: socket.socket, start: int, limit: int | None) -> Iterator[tuple[int, bytes]]:
        still, taken, left = self.faults.stand_still_after, 0, 0
        flags = 0
        while limit is None or taken < limit:
            if self.extended and not left:
                if flags & _EOD:
                    return
                flags, left, start = _HEADER.unpack(_exactly(opened, _HEADER.size))
                if flags & _EODC:
                    left = 0
                continue
            piece = opened.recv(min(65536, left) if self.extended else 65536)
            if not piece:
                return
            left -= len(piece)
            yield start, piece
            start += len(piece)
            taken += len(piece)
            if still is not None and taken >= still:
                raise Hang
        raise ConnectionAbortedError


def short(data: bytes) -> Iterator[bytes]:
    """Half of the file."""
    yield data[: len(data) // 2]


def long(data: bytes) -> Iterator[bytes]:
    """More than the file."""
    yield data + b"more than there is"


def broken(data: bytes) -> Iterator[bytes]:
    """Half of the file, then the data channel breaks, and the server knows."""
    yield data[: len(data) // 2]
    raise ConnectionAbortedError


def dripping(data: bytes) -> Iterator[bytes]:
    """A few bytes at a time."""
    for byte in data:
        time.sleep(0.02)
        yield bytes([byte])


def close(opened: socket.socket) -> None:
    """Close a socket."""
    _wake(opened)
    opened.close()


def _wake(opened: socket.socket) -> None:
    """End every wait for a socket."""
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _block(flags: int, offset: int, data: bytes) -> bytes:
    return _HEADER.pack(flags, len(data), offset) + data


def _exactly(opened: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = opened.recv(count - len(data))
        if not piece:
            raise ConnectionAbortedError
        data += piece
    return data


def _parents(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path
