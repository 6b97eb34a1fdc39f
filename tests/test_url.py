# SPDX-License-Identifier: Apache-2.0
"""What users type, what it means, and that nothing in it can slip a command or a header to a server."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyglobus.core.errors import UsageError
from pyglobus.core.url import PORTS, Url, parse

SCHEMES = st.sampled_from(["gsiftp", "ftp", "http", "https"])
PLAIN = re.compile(r"[!-~]+\Z")
#: Anything a command line can hold, which are bytes, and more often than not what is special in URLs.
ANYTHING = st.one_of(
    st.text(st.characters()),
    st.binary().map(os.fsdecode),
    st.lists(st.sampled_from(("%0d", "%0A", "%00", "%2F", "://", "ftp", "file:", *"/:@%?#[]~-.\r\n\0\t ab0"))).map(
        "".join
    ),
)


def remote(path: str) -> Url:
    return parse(f"gsiftp://host{path}")


@given(ANYTHING)
def test_parsing_fails_in_one_way_only(text: str) -> None:
    with suppress(UsageError):
        parse(text)


@given(SCHEMES, ANYTHING)
def test_what_goes_over_the_wire_is_plain(scheme: str, rest: str) -> None:
    """No CR, no LF, no NUL, no blank: nothing that a server could take for the end of a word or a line."""
    with suppress(UsageError):
        assert PLAIN.match(parse(f"{scheme}://{rest}").wire())


@given(st.sampled_from(["gsiftp", "ftp"]), st.binary(max_size=60))
def test_ftp_server_gets_the_very_bytes_of_the_name(scheme: str, name: bytes) -> None:
    typed = f"{scheme}://host/{os.fsdecode(name).replace('%', '%25')}"
    if b"\0" in name or b"\r" in name or b"\n" in name:
        with pytest.raises(UsageError):
            parse(typed)
        return
    path = parse(typed).wire().partition("//host")[2].partition("/")[2]
    assert unquote_to_bytes(path) == name


@given(st.binary(max_size=60))
def test_http_server_gets_the_escapes_that_were_written(name: bytes) -> None:
    """The library decodes what it is given once, and sends the rest as it is."""
    escaped = "".join(f"%{byte:02X}" for byte in name if byte)
    path = parse(f"http://host/{escaped}?q=%41").wire().partition("//host")[2].partition("/")[2]
    assert unquote_to_bytes(path).decode() == f"{escaped}?q=%41"


@given(SCHEMES, ANYTHING)
def test_what_is_shown_can_be_typed_again(scheme: str, rest: str) -> None:
    with suppress(UsageError):
        url = parse(f"{scheme}://{rest}")
        again = parse(str(url))
        assert (again.path, again.host, again.port) == (url.path, url.host, url.port)


@given(ANYTHING)
def test_name_of_a_destination_stays_in_its_directory(text: str) -> None:
    with suppress(UsageError):
        source = parse(text)
        joined = Url("file", "/safe/").join(source.name)
        assert os.path.dirname(os.path.normpath(joined.path)) == "/safe"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("file", Url("file", "file")),
        ("-", Url("-", "-")),
        ("a:b", Url("file", "a:b")),
        ("./ftp://x", Url("file", "./ftp://x")),
        ("50%25", Url("file", "50%25")),
        ("file:/a%20b", Url("file", "/a b")),
        ("file:///a%zz", Url("file", "/a%zz")),
        ("file://localhost/a", Url("file", "/a")),
        ("file:relative", Url("file", "relative")),
        ("FTP://h/a", Url("ftp", "/a", "h", 21)),
        ("gsiftp://h", Url("gsiftp", "/", "h", 2811)),
        ("gsiftp://[::1]:99/~/a", Url("gsiftp", "/~/a", "::1", 99)),
        ("ftp://me:a%40b@h/x", Url("ftp", "/x", "h", 21, "me", "a@b")),
        ("gsiftp://h/a%2523", Url("gsiftp", "/a%23", "h", 2811)),
        ("http://h/a%2523?b=c", Url("http", "/a%2523?b=c", "h", 80)),
    ],
)
def test_meaning(typed: str, expected: Url) -> None:
    assert parse(typed) == expected


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "empty"),
        ("gopher://h/x", "none of file, gsiftp"),
        ("gsiftp:/x", "followed by '//'"),
        ("gsiftp:///x", "names no host"),
        ("gsiftp://h:0/x", "no port number"),
        ("gsiftp://h:65536/x", "no port number"),
        ("gsiftp://h:٤/x", "no port number"),
        ("gsiftp://h:2811x/x", "no port number"),
        ("gsiftp://[fe80::x]/x", "no IPv6 address"),
        ("gsiftp://a b/x", "no name of a host"),
        ("http://h\r\nX-Evil: 1/x", "no name of a host"),
        ("ftp://h/x%0d%0aDELE%20y", "line break"),
        ("ftp://u%0d%0aDELE%20y@h/x", "line break"),
        ("ftp://h/x%00y", "NUL"),
        ("x\0y", "NUL"),
        ("file://elsewhere/x", "not of 'elsewhere'"),
        ("file://", "names no file"),
        ("gsiftp://h/" + "x" * 65536, "the limit is 65536"),
        ("\ud800", "locale"),
    ],
)
def test_refusals(typed: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(typed)
    assert why in str(caught.value)


def test_password_is_never_shown() -> None:
    assert "secret" not in str(parse("ftp://me:secret@h/x"))
    for bad in ("ftp://me:secret@h:x/y", "gopher://me:secret@h/x", "ftp://me:secret@a b/x"):
        with pytest.raises(UsageError) as caught:
            parse(bad)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", PORTS)
def test_port_of_the_scheme_goes_without_saying(scheme: str) -> None:
    assert str(parse(f"{scheme}://h:{PORTS[scheme]}/x")) == f"{scheme}://h/x"


def test_name_at_an_http_server_is_decoded_without_its_query() -> None:
    assert parse("http://h/dir/a%20b?sig=c/d").name == "a b"
    assert remote("/dir/a?b").name == "a?b"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0b"])
def test_destination_is_named_by_a_name_only(name: str) -> None:
    with pytest.raises(UsageError):
        remote("/dir/").join(name)
