# SPDX-License-Identifier: Apache-2.0
"""Every fault of the table, made for real, by what it is a fault of: `case.CASES` has them all."""

from tests.faults import chains, credentials, doctor, files, network, protocols, trust

__all__ = ["chains", "credentials", "doctor", "files", "network", "protocols", "trust"]
