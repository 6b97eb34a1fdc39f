# SPDX-License-Identifier: Apache-2.0
"""MyProxy: credentials that are stored once and fetched where they are needed, and first contact with a site.

    from pyglobus.core.myproxy import contact, credentials
    from pyglobus.core.myproxy.session import Session

    with Session(contact.servers("myproxy.example.org"), anonymous=True) as session:
        credentials.get(session, username="ada", pass_phrase=phrase).credential.save_proxy(path)

A `session.Session` is a connection to one server, good for one request. `credentials` has the requests,
`firstcontact` and `trustroots` what is needed before a server can be trusted. The library underneath is libmyproxy
(`pyglobus.ffi.myproxy` tells how). The protocol is that of https://grid.ncsa.illinois.edu/myproxy/protocol.
"""
