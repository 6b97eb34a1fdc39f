# SPDX-License-Identifier: Apache-2.0
"""GASS, the toolkit's file access over https: a server whose requests pass a policy in Python, and a client.

from pyglobus.core.gass import Allow, Deny, Server


def policy(request):
    if request.operation == "get" and request.path.startswith("/public/"):
        return Allow()
    return Deny(403, "only /public can be read")


with Server(policy, root="/data") as server:
    print(server.url)
    server.wait()
"""

from pyglobus.core.gass.client import Client, Transferred
from pyglobus.core.gass.denial import Denial
from pyglobus.core.gass.policy import Allow, Answer, Deny, Policy, Redirect, Request, only
from pyglobus.core.gass.server import Server, everybody
from pyglobus.core.gass.settings import Access, Settings, Visitor
from pyglobus.core.gass.sink import Sink

__all__ = [
    "Access",
    "Allow",
    "Answer",
    "Client",
    "Denial",
    "Deny",
    "Policy",
    "Redirect",
    "Request",
    "Server",
    "Settings",
    "Sink",
    "Transferred",
    "Visitor",
    "everybody",
    "only",
]
