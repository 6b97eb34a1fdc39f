# SPDX-License-Identifier: Apache-2.0
"""Faults of names, connections and protocols, and what is left when nothing better is known."""

from __future__ import annotations

import errno

from pyglobus.core.errors import (
    AccessDenied,
    CannotCreate,
    ConfigurationError,
    CredentialError,
    Error,
    NotFound,
    ProtocolError,
    TransientError,
    Unsupported,
)
from pyglobus.core.faults.fault import Fault, any_of, code, data_channel, network, own, reply, unspoken

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
_LOST = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_PORT_RANGE = "open the data ports in the firewall, and set GLOBUS_TCP_PORT_RANGE=MIN,MAX on the side that listens"


def http(*codes: int) -> str:
    """A regular expression for gass_copy's way to tell an HTTP status."""
    return rf"request was DENIED, for reason: (?:{'|'.join(map(str, codes))}), (?P<reason>.*)"


FAULTS = (
    Fault(
        "name-service",
        TransientError,
        own(r"Temporary failure in name resolution"),
        "the name service does not answer",
        "check the network and /etc/resolv.conf, then try again",
    ),
    Fault(
        "data-channel-address",
        ProtocolError,
        lambda evidence: {} if evidence.unknown_host and evidence.on_data_channel else None,
        "the server named an address for data that does not exist ({contact})",
        "report it to the server's operator",
    ),
    Fault(
        "unknown-host",
        NotFound,
        lambda evidence: {"host": evidence.unknown_host} if evidence.unknown_host else None,
        "the host name {host} is not known",
        "check the spelling of the host name",
    ),
    Fault(
        "port-range-invalid",
        ConfigurationError,
        unspoken,
        "{variable} is {value}, which is no range of ports",
        "write it as two numbers, such as 50000,51000",
    ),
    Fault(
        "clock-skew",
        ConfigurationError,
        unspoken,
        "clocks differ by {skew}: {evidence}",
        "set this machine's clock (timedatectl tells its state), or have the other one set: certificates depend on it",
    ),
    Fault(
        "port-range-used-up",
        TransientError,
        network(errno.EADDRINUSE, errno.EADDRNOTAVAIL),
        "no port of GLOBUS_TCP_PORT_RANGE or GLOBUS_TCP_SOURCE_RANGE is free",
        "widen the range, or try again with fewer transfers at a time",
    ),
    Fault(
        "data-channel-refused",
        TransientError,
        data_channel(errno.ECONNREFUSED),
        "the data channel to {contact} was refused",
        _PORT_RANGE,
    ),
    Fault(
        "data-channel-unreachable",
        TransientError,
        any_of(data_channel(errno.ETIMEDOUT, *_UNREACHABLE), code(425)),
        "no data channel could be opened{to_contact}",
        _PORT_RANGE,
    ),
    Fault(
        "data-channel-lost",
        TransientError,
        any_of(code(426), data_channel(*_LOST)),
        "the data channel broke during the transfer",
        "try again; if it happens at once or always, a firewall may cut data channels",
    ),
    Fault(
        "connection-refused",
        TransientError,
        network(errno.ECONNREFUSED),
        "the connection was refused, no server listens there",
        "check host and port; if they are right, the server is down",
    ),
    Fault(
        "connection-timed-out",
        TransientError,
        network(errno.ETIMEDOUT),
        "the host did not answer in time",
        "check host and port; a firewall may drop the packets",
    ),
    Fault(
        "host-unreachable",
        TransientError,
        network(*_UNREACHABLE),
        "there is no route to the host",
        "check the network of this machine, and the host's address",
    ),
    Fault(
        "connection-forbidden",
        AccessDenied,
        network(errno.EACCES, errno.EPERM),
        "this machine does not allow the connection",
        "look at its firewall rules and at GLOBUS_TCP_PORT_RANGE (ports below 1024 are for root)",
    ),
    Fault(
        "connection-lost",
        TransientError,
        any_of(network(*_LOST), own(r"[Aa]n end.of.file (was reached|occurred)")),
        "the server closed the connection before it was done",
        "try again; if it happens at once, check that host and port are those of a GridFTP server",
    ),
    Fault(
        "not-an-ftp-server",
        ProtocolError,
        own(r"Error while searching for end of reply"),
        "what answers is not a GridFTP or FTP server",
        "check host and port in the URL",
    ),
    Fault(
        "broken-protocol",
        ProtocolError,
        own(r"broken protocol: (?P<how>.*)"),
        "{how}",
        "report it to the server's operator: it does not keep to the protocol, or something between you changes it",
    ),
    Fault(
        "not-an-http-server",
        ProtocolError,
        own(http(416)),
        "what answers is not an HTTP server",
        "check host and port in the URL",
    ),
    Fault(
        "http-unauthorized",
        CredentialError,
        own(http(401, 407)),
        "the server wants a login ({reason})",
        "name user and password in the URL, or use https and a credential",
    ),
    Fault(
        "http-forbidden",
        AccessDenied,
        own(http(403)),
        "the server denies access ({reason})",
        "check the path, and whether the server lets you in with your credential",
    ),
    Fault(
        "http-not-found",
        (NotFound, CannotCreate),
        own(http(404, 410)),
        "the server does not know this path ({reason})",
        "check the path in the URL",
    ),
    Fault(
        "http-unavailable",
        TransientError,
        own(http(408, 425, 429, 500, 502, 503, 504)),
        "the server cannot answer now ({reason})",
        "try again later",
    ),
    Fault(
        "http-failed",
        Unsupported,
        own(r"request was DENIED, for reason: 400|gass_transfer_request_status"),
        "the server refused the request, or broke off without giving a reason",
        "check port and path; for https also your credential, and the name in the server's certificate",
    ),
    Fault(
        "http-refused",
        Unsupported,
        own(r"request was DENIED, for reason: (?P<reason>.*)"),
        "the server refused the request ({reason})",
        "check the path, and whether the server takes this kind of request",
    ),
    Fault(
        "server-busy",
        TransientError,
        code(421, 422, 434),
        "the server is not available now ({words})",
        "try again later, or with fewer connections at a time",
    ),
)

#: Tried after everything else that is known.
LATE_FAULTS = (
    Fault(
        "unsupported",
        Unsupported,
        any_of(
            reply(r"^Command not supported|[Uu]nknown command|[Nn]ot implemented|not understood"),
            code(502, 504, 534, 536),
        ),
        "the server lacks what is needed ({words})",
        "try without the option that needs it, or ask the server's operator",
    ),
    Fault(
        "server-error",
        TransientError,
        lambda evidence: {} if 400 <= evidence.code < 500 else None,
        "the server cannot do it now ({words})",
        "try again later",
    ),
    Fault(
        "server-refused",
        Unsupported,
        lambda evidence: {} if 500 <= evidence.code < 600 else None,
        "the server refused ({words})",
        "look at the whole answer with -vv",
    ),
    Fault(
        "unknown-reply",
        ProtocolError,
        any_of(
            lambda evidence: {} if evidence.code else None,
            own(r"the server responded with an error\n(?P<code>\d+) (?P<words>.*)"),  # reply code 000
        ),
        "the server gave an answer that FTP does not know ({code} {words})",
        "check host and port in the URL",
    ),
    Fault("unknown", Error, lambda _: {}, "{words}", "look at all causes with -vv"),
)
