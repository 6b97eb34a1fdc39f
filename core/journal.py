# SPDX-License-Identifier: Apache-2.0
"""What a job has done, kept in a file beside it, so that the same job can go on after whatever ended it.

The file (`pyglobus.core.journalfile`) is only ever appended to. It says what has arrived, and of each large file which
byte ranges are verified: in a local file because they were written there, at a server because its restart markers say
so. What is not in the journal is done again; a source whose size or time has changed since is another file. A large
file lies under a temporary name, which the journal's own name is a part of, until it is whole.

Records are written together, as many as have come up, by one write(2): a process that is killed loses those of the last
moment. Nothing is flushed to the disk for each record: every few seconds the file systems of the local destinations
are, then the journal, and then a mark is set. After a restart of the machine the journal counts up to its last mark,
for what comes behind it may be in the journal and not on the disk.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain

from pyglobus.core import errors, journalfile
from pyglobus.core.options import Options
from pyglobus.core.partial import Partial, Ranges
from pyglobus.core.plan import Item
from pyglobus.core.transfer import Result
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import Any, NamedTuple

# Seconds between two marks: so much is done again after a power cut.
_MARK_EVERY = 5.0


class Resumed(NamedTuple):
    """What a journal brings along: files that are done and their bytes, files of which a part is there, its bytes."""

    files: int = 0
    bytes: int = 0
    partial: int = 0
    partial_bytes: int = 0


class _Begun(NamedTuple):
    facts: list[Any]
    ranges: Ranges


class Journal:
    """The journal of one job, held by this process until `close` or `complete`.

    `done` and the notes of a `Partial` may come from any thread; `flush` writes them, in the thread that calls it.
    """

    def __init__(self, job: Mapping[str, Any], path: str | None = None, *, keep: bool = False) -> None:
        """A new one, or that of an earlier run. ``job`` is JSON that tells the job from all others.

        Without a ``path`` it lies in the user's state directory under a name made of ``job``. ``keep`` it when the job
        is complete. Raises `errors.UsageError` for a file that is no journal, of another job, or in use, and
        `errors.CannotCreate`.
        """
        import hashlib
        import json

        text = json.dumps(job, sort_keys=True)
        key = hashlib.sha256(text.encode("ascii")).hexdigest()
        self.path = path or os.path.join(journalfile.state_directory(), f"{key[:32]}.jsonl")
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: list[Any] = []
        self._done: set[bytes] = set()
        self._begun: dict[bytes, _Begun] = {}
        self._bytes = 0
        # Written so far, and up to the last mark; what sets marks, and when the next is due.
        self._size = self._marked = 0
        self._marking: threading.Thread | None = None
        self._due = time.monotonic() + _MARK_EVERY
        # A directory of each file system that local files go to, and the directories that have been looked at.
        self._systems: dict[int, str] = {}
        self._directories: set[str] = set()
        self._fd = journalfile.hold(self.path)
        try:
            self._name = self._load(key, dict(job))
        except BaseException:
            os.close(self._fd)
            raise
        parts = [size for begun in self._begun.values() if (size := sum(end - start for start, end in begun.ranges))]
        #: What was there when it was opened.
        self.resumed = Resumed(len(self._done), self._bytes, len(parts), sum(parts))

    def _load(self, key: str, job: dict[str, Any]) -> str:
        lines = journalfile.Lines(self._fd, self.path, key)
        for record in lines:
            self._recall(record)
        os.ftruncate(self._fd, lines.end)  # else the next line would continue a torn one
        self._size = self._marked = lines.end
        name = lines.name or os.urandom(8).hex()
        boot: Any = ["boot", journalfile.boot()]
        self._write([boot] if lines.name else [journalfile.head(name, key, job), boot])
        return name

    def _recall(self, record: list[Any]) -> None:
        match record:
            case ["done", str(), str(), _, _, size, _, _]:
                ends = _digest(record[1:5])
                self._begun.pop(ends, None)
                self._done.add(_digest(record[1:7]))
                self._bytes += size or 0
            case ["part", str(), str(), _, _, _, _, ranges]:
                self._begun[_digest(record[1:5])] = _Begun(record[5:7], [(start, end) for start, end in ranges])

    @property
    def key(self) -> int:
        """A number of 64 bits, of which the temporary names of small files are made."""
        return int(self._name, 16) or 1

    # What was done ---------------------------------------------------------------------------------------------------

    def has(self, item: Item) -> bool:
        """Whether this very item, with its size and time as they are now, has arrived in an earlier run.

        A local file must still be there, in its size.
        """
        if not self._done or _digest(_words(item)) not in self._done:
            return False
        if not item.destination.is_local:
            return True
        try:
            status = os.stat(item.destination.path)
        except OSError:
            return False
        whole = item.offset is None and item.length is None and item.size is not None
        return not (whole and stat.S_ISREG(status.st_mode)) or status.st_size == item.size

    def done(self, item: Item, result: Result) -> None:
        """Note that it has arrived."""
        self._waiting.append(["done", *_words(item), result.checksum])

    def planned(self, files: int, size: int) -> None:
        """Note that no more is to come."""
        self._waiting.append(["planned", files, size])

    def partial(self, item: Item) -> Partial:
        """What is there of a large file, and whom to tell of more."""
        words = _words(item)
        before = self._begun.get(_digest(words[:4]))
        known = before.ranges if before is not None and before.facts == words[4:] else None

        def note(ranges: Ranges) -> None:
            self._waiting.append(["part", *words, ranges])

        return Partial(_digest([self._name, *words[:4]])[:4].hex(), known, note)

    # The file --------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was noted. Raises `errors.DataError`."""
        if not self._waiting or self._fd < 0:
            return
        with self._lock:
            records, self._waiting = self._waiting, []
            self._note_systems(records)
            self._write(records)
        if time.monotonic() >= self._due and (self._marking is None or not self._marking.is_alive()):
            self._due = time.monotonic() + _MARK_EVERY
            self._marking = threading.Thread(target=self._mark, name="journal", daemon=True)
            self._marking.start()

    def close(self) -> None:
        """Write what was noted, set a last mark and let go of the file. Idempotent."""
        if self._fd < 0:
            return
        try:
            self.flush()
            if self._marking is not None:
                self._marking.join()
            self._mark()
        finally:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def complete(self) -> None:
        """The job is done: remove the journal, unless it is to be kept. Raises `errors.DataError`."""
        if not self._keep and self._fd >= 0:
            try:
                os.unlink(self.path)
            except OSError as error:
                raise journalfile.explained(error, "cannot remove the journal", self.path) from error
            self._waiting, self._marked = [], self._size
        self.close()

    def _write(self, records: list[Any]) -> None:
        import json

        encode = json.JSONEncoder(separators=(",", ":")).encode
        data = "".join([f"{encode(record)}\n" for record in records]).encode("ascii")
        try:
            while data:
                written = os.write(self._fd, data)
                self._size += written
                data = data[written:]
        except OSError as error:
            raise journalfile.explained(error, "cannot write the journal", self.path) from error

    def _note_systems(self, records: list[Any]) -> None:
        for record in records:
            if record[0] in ("done", "part") and (path := record[2]).startswith("/"):
                directory = path[: path.rfind("/") + 1]
                if directory not in self._directories:
                    self._directories.add(directory)
                    with suppress(OSError):
                        self._systems.setdefault(os.stat(directory).st_dev, directory)

    def _mark(self) -> None:
        """Bring to the disk what was written so far, data first, and then say so."""
        from pyglobus.ffi.disk import sync

        size = self._size
        if size == self._marked:
            return
        try:
            for directory in list(self._systems.values()):
                sync(directory)
            os.fdatasync(self._fd)
            with self._lock:
                self._write([["synced", size]])
                self._marked = self._size
        except (OSError, errors.Error):
            return  # without a mark more is done again


def identity(ends: Mapping[str, str], options: Options, *, recursive: bool, sync: int | None) -> dict[str, Any]:
    """What makes a job that one: what is copied, to where and as what. How fast, how long and with whose credential
    does not. ``ends`` are what names its source and destination.
    """
    return {
        **ends,
        "recursive": recursive,
        "sync": sync,
        "part": [options.offset, options.length],
        "ascii": options.ascii,
        "relative": options.relative,
        "checksum": options.checksum_algorithm.lower() if options.verify else None,
        "storage": [
            [side.module, side.module_arguments, side.disk_stack] for side in (options.source, options.destination)
        ],
    }


def leftovers(path: str, begun: Iterable[tuple[str, str]] = ()) -> list[Url]:
    """The temporary files of what this journal says has begun, and not that it is done; none if it is no journal.

    ``begun`` are sources and destinations that are known to have, where the journal may not have come to say so.
    """
    import json

    from pyglobus.core.url import parse

    found: dict[bytes, Url] = {}
    try:
        with open(path, "rb") as file:
            name = f"{int(json.loads(file.readline())['name'], 16):016x}"
            records = [["part", *pair, None, None] for pair in begun]
            for record in chain(records, map(json.loads, file)):
                match record:
                    case ["part", str(), str() as destination, _, _, *_]:
                        words = record[1:5]
                        salt = _digest([name, *words])[:4].hex()
                        found[_digest(words)] = Partial(salt, None, lambda _: None).url(parse(destination))
                    case ["done", *words]:
                        found.pop(_digest(words[:4]), None)
    except (OSError, ValueError, KeyError, TypeError, errors.UsageError):
        pass  # the end of it may be torn
    return list(found.values())


def _words(item: Item) -> list[Any]:
    """An item as it is written: its ends, the part that is meant, size and time. No password is among them."""
    source, destination = item.source, item.destination
    return [
        os.path.abspath(source.path) if source.is_local else str(source),
        os.path.abspath(destination.path) if destination.is_local else str(destination),
        item.offset,
        item.length,
        item.size,
        item.modified,
    ]


def _digest(words: list[Any]) -> bytes:
    """Words in 16 bytes: a job of a million files has as many of them in memory."""
    import hashlib

    return hashlib.blake2b(repr(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()
