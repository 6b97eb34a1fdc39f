# SPDX-License-Identifier: Apache-2.0
"""libglobus_gass_cache, in a process of its own for each use of a cache.

It cannot share ours. The library sleeps while others hold an entry, up to five minutes, so in the engine's thread it
would hold up all transfers; and it tells the users of an entry apart by their process ids, so that two of one process
would take each other for themselves. In a process of its own each use is a user of its own, ends at once when it is
given up, and takes back what it has begun when whoever asked for it dies.

The messages are those of ``src/gass_cache/main.c``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

_PROGRAM = Path(__file__).with_name("gass-cache-use")
#: Bytes that a URL or a tag may have, with the NUL at its end.
MOST = 4096

# The library's codes that are told apart: those of success, and what there is not.
ADD_NEW, NOT_THERE = 1, 2
NO_HOME, URL_NOT_FOUND = -1, -10


# Seconds that one which still waits for others has, once it is given up: what it does beside waiting takes less.
_PATIENCE = 2.0


class CacheError(Exception):
    """The library has failed. ``code`` is its (negative) number, 0 if the program has; ``text`` is what it says."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Use:
    """One operation on the cache that ``environ`` names: `answer`, after "add" also `finish`, and `close`.

    ``operation`` is add, delete, delete-all, query, mangle, directories or type; an empty URL or tag is none. A context
    manager closes it. Raises `CacheError`.
    """

    def __init__(self, operation: str, url: str, tag: str, environ: Mapping[str, str]) -> None:
        words = [os.fsencode(word) for word in (operation, url, tag)]
        if any(b"\0" in word or len(word) >= MOST for word in words):
            raise CacheError(0, f"URLs and tags have fewer than {MOST} bytes, and no NUL")
        try:
            # A group of its own: Ctrl-C is for who asked, and what was begun is then taken back.
            self._process = subprocess.Popen(
                [_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, process_group=0
            )
        except OSError as error:
            raise CacheError(0, f"cannot run {_PROGRAM}: {error.strerror}") from error
        self._answered = False
        self._say(b"".join(word + b"\0" for word in words))

    def answer(self) -> tuple[int, list[str]]:
        """Wait for the code and the strings that came of it."""
        replies = _pipe(self._process.stdout)
        head = replies.readline().split()
        if len(head) != 2:
            raise CacheError(0, "it ended without a word")
        self._answered = True
        code, count = map(int, head)
        strings = []
        for _ in range(count):
            string = bytearray()
            while (byte := replies.read(1)) != b"\0":
                if not byte:
                    raise CacheError(0, "it ended in the middle of a word")
                string += byte
            strings.append(os.fsdecode(bytes(string)))
        if code < 0:
            raise CacheError(code, strings[0])
        return code, strings

    def finish(self) -> None:
        """The file that was added is whole: release it. Left out, `close` takes the entry back."""
        self._say(b"d")
        self.answer()

    def close(self) -> None:
        """Wait for its end; idempotent. One that still waits for others is ended soon."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(None if self._answered else _PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def __enter__(self) -> Use:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, data: bytes) -> None:
        requests = _pipe(self._process.stdin)
        try:
            requests.write(data)
            requests.flush()
        except BrokenPipeError:
            pass  # it has ended, as its answer will tell


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
