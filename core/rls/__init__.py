# SPDX-License-Identifier: Apache-2.0
"""The Replica Location Service: which files have which replicas, and which catalogue knows.

A local replica catalogue (LRC) maps logical file names to physical ones; a replica location index (RLI) tells which
catalogues know a logical name. `Client` asks either, `Server` is either or both. The protocol has two sides without any
input or output, `requests` and `replies`.
"""

from __future__ import annotations

from pyglobus.core.rls.client import Client
from pyglobus.core.rls.configuration import Configuration
from pyglobus.core.rls.results import ObjectType, Operator, Result, RlsError, ValueType

__all__ = ["Client", "Configuration", "ObjectType", "Operator", "Result", "RlsError", "ValueType"]
