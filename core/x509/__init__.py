# SPDX-License-Identifier: Apache-2.0
"""X.509 as the grid uses it: names, certificates, proxies (RFC 3820 and older), and chains that are to be believed.

What is made here is made with ``cryptography``; `pyglobus.core.x509.toolkit` does the same with the C libraries, and
tests hold the two against one another.
"""
