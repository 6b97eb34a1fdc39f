# SPDX-License-Identifier: Apache-2.0
"""Heads of HTTP messages: what is understood, and what is refused with which answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyglobus.core.gass import message
from pyglobus.core.gass.message import BadMessage
from pyglobus.core.place import plain


def asked(text: str) -> message.RequestHead:
    return message.request(text.replace("\n", "\r\n").encode("latin-1"))


def test_the_toolkits_requests_are_understood() -> None:
    get = asked("GET /a%20b HTTP/1.1\nHost: here\nConnection: close\nUser-Agent: Globus-GASS-HTTP/1.1.0")
    assert (get.method, get.path, get.append, get.framing) == ("GET", "/a b", False, None)
    put = asked("PUT /x HTTP/1.1\nHost: here\nTransfer-Encoding: chunked")
    assert (put.method, put.framing, put.length) == ("PUT", "chunked", None)
    append = asked(f"POST {message.APPEND}/tmp/log HTTP/1.1\nContent-Length: 12")
    assert (append.append, append.path, append.framing, append.length) == (True, "/tmp/log", "length", 12)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET x HTTP/1.1", 400),
        ("GET /%00 HTTP/1.1", 400),
        ("GET /a HTTP/2.0", 505),
        ("\x16\x03\x01 / HTTP/1.1", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 1\nContent-Length: 2", 400),
        ("PUT /a HTTP/1.1\nContent-Length: -1", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 1e3", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 9999999999999999999", 400),
        ("PUT /a HTTP/1.1\nTransfer-Encoding: gzip, chunked", 501),
        ("PUT /a HTTP/1.1", 411),
        ("PUT /a HTTP/1.1\nContent-Length : 1", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 1\n folded", 400),
        ("PUT /a HTTP/1.1\nContent-Length: 1\nExpect: miracles", 417),
        (f"GET /{'x' * message.MOST_TARGET} HTTP/1.1", 414),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, status: int) -> None:
    with pytest.raises(BadMessage) as caught:
        asked(text)
    assert caught.value.status == status


def test_a_head_is_bounded_before_it_is_whole() -> None:
    assert message.split(b"GET / HTTP/1.1\r\n") is None
    with pytest.raises(BadMessage) as caught:
        message.split(b"GET /" + b"x" * 65536)
    assert caught.value.status == 414
    with pytest.raises(BadMessage) as caught:
        message.split(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10000)
    assert caught.value.status == 431


def test_an_answer_cannot_be_split_by_what_a_policy_says() -> None:
    head = message.answer(403, "no\r\nX-Evil: 1", location="/a\r\nX-Evil: 2")
    assert b"\r\nX-Evil" not in head
    read = message.response(head.partition(b"\r\n\r\n")[0])
    assert (read.status, read.reason) == (403, "no??X-Evil: 1")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_bad(data: bytes) -> None:
    try:
        parts = message.split(data + b"\r\n\r\n")
        assert parts is not None
        head = message.request(parts[0])
    except BadMessage as error:
        assert 400 <= error.status < 600
    else:
        assert head.path.startswith("/")


@given(st.lists(st.sampled_from(["..", ".", "", "a", "~", "b c"]), max_size=12))
def test_a_plain_path_climbs_nowhere(parts: list[str]) -> None:
    path = plain("/" + "/".join(parts))
    assert path == "/" or all(part not in ("", ".", "..") for part in path[1:].split("/"))
    assert plain(path) == path


@pytest.mark.parametrize(
    ("asked_for", "size", "found"),
    [
        ("bytes=0-", 10, (0, 10)),
        ("bytes=3-5", 10, (3, 3)),
        ("bytes=3-99", 10, (3, 7)),
        ("bytes=-4", 10, (6, 4)),
        ("bytes=-99", 10, (0, 10)),
        ("bytes=9-9", 10, (9, 1)),
        ("bytes=5-3", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=10-", 10, 416),
        ("bytes=-0", 10, 416),
        ("bytes=0-", 0, 416),
    ],
)
def test_a_part_is_what_the_standard_says(asked_for: str, size: int, found: tuple[int, int] | int | None) -> None:
    if isinstance(found, int):
        with pytest.raises(BadMessage) as caught:
            message.part({"range": asked_for}, size)
        assert caught.value.status == found
    else:
        assert message.part({"range": asked_for}, size) == found
        assert message.part({"range": asked_for, "if-range": '"x"'}, size) is None
