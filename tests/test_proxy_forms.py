# SPDX-License-Identifier: Apache-2.0
"""Every form of proxy, by every maker, before every reader: ours, the Globus libraries, grid-proxy-init and -info,
OpenSSL, a GridFTP server and a gatekeeper.
"""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509 import proxy, request, toolkit
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import Key, ec_key, rsa_key
from pyglobus.core.x509.kind import kind_of
from pyglobus.core.x509.proxy import Wish
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import INDEPENDENT, INHERIT_ALL, LIMITED, Form, Rights
from pyglobus.core.x509.toolkit import ProxyWish
from pyglobus.ffi.engine import engine
from pyglobus.ffi.gsi import GsiRequest

if TYPE_CHECKING:
    from tests.conftest import Lab

LANGUAGE = "1.2.3.4.5"
POLICY = b"read /data only"
_FORMS = {"-rfc": Form.RFC, "-draft": Form.DRAFT, "-old": Form.LEGACY}


@dataclass(frozen=True)
class Sort:
    """One sort of proxy: the options of grid-proxy-init, and what it must be read as."""

    options: tuple[str, ...]
    type: str
    rights: Rights = Rights.IMPERSONATION
    language: str = INHERIT_ALL
    policy: bytes | None = None
    path_length: int | None = None

    @property
    def form(self) -> Form:
        return _FORMS[self.options[0]]

    @property
    def info(self) -> ProxyCertInfo | None:
        return None if self.form is Form.LEGACY else ProxyCertInfo(self.language, self.policy, self.path_length)

    @property
    def wish(self) -> Wish:
        restricted = self.rights is Rights.RESTRICTED
        return Wish(
            form=self.form,
            rights=None if restricted else self.rights,
            language=self.language if restricted else None,
            policy=self.policy,
            path_length=self.path_length,
        )

    @property
    def c_wish(self) -> ProxyWish:
        restricted = self.rights is Rights.RESTRICTED
        language = self.language if restricted else None
        policy = self.policy if restricted else None
        return ProxyWish(self.form, self.rights, 720, 2048, self.path_length, language, policy)


_RFC, _DRAFT = "RFC 3820 compliant {} proxy", "Proxy draft (pre-RFC) compliant {} proxy"
_POLICY = ("-pl", LANGUAGE, "-policy", "POLICY")


def _six(option: tuple[str, ...], text: str) -> list[Sort]:
    return [
        Sort((*option,), text.format("impersonation")),
        Sort((*option, "-limited"), text.format("limited"), Rights.LIMITED, LIMITED),
        Sort((*option, "-independent"), text.format("independent"), Rights.INDEPENDENT, INDEPENDENT),
        Sort((*option, *_POLICY), text.format("restricted"), Rights.RESTRICTED, LANGUAGE, POLICY),
        Sort((*option, "-path-length", "3"), text.format("impersonation"), path_length=3),
        Sort((*option, "-path-length", "0"), text.format("impersonation"), path_length=0),
    ]


SORTS = [
    *_six(("-rfc",), _RFC),
    *_six(("-draft",), _DRAFT),
    Sort(("-old",), "full legacy globus proxy"),
    Sort(("-old", "-limited"), "limited legacy globus proxy", Rights.LIMITED, LIMITED),
]
MAKERS = ("ours", "libraries", "grid-proxy-init")
each_sort = pytest.mark.parametrize("sort", SORTS, ids=lambda sort: " ".join(sort.options))
each_maker = pytest.mark.parametrize("maker", MAKERS)


@pytest.fixture(scope="module")
def make(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Sort], Path]:
    """A proxy file of that maker and sort, made once."""
    directory = tmp_path_factory.mktemp("proxies")
    policy = directory / "policy"
    policy.write_bytes(POLICY)
    key = rsa_key()

    def made(maker: str, sort: Sort) -> Path:
        path = directory / f"{maker}{' '.join(sort.options)}"
        if path.exists():
            return path
        if maker == "ours":
            proxy.make(lab.user, sort.wish, key=key).save_proxy(path)
        elif maker == "libraries":
            path.touch(mode=0o600)
            path.write_bytes(toolkit.make(lab.user.proxy_pem(), sort.c_wish))
        else:
            options = [str(policy) if word == "POLICY" else word for word in sort.options]
            run("grid-proxy-init", "-q", *lab.files, "-out", str(path), *options, env=lab.environment)
        return path

    return made


def run(*command: str, env: dict[str, str] | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@each_sort
@each_maker
def test_everybody_reads_the_same(maker: str, sort: Sort, make: Callable[[str, Sort], Path], lab: Lab) -> None:
    path = make(maker, sort)
    data = path.read_bytes()
    credential = Credential.from_pem(data)
    facts = toolkit.facts(data)
    says = run("grid-proxy-info", "-file", str(path), "-type", "-subject", "-issuer", "-identity", "-strength").stdout
    subject, issuer = f"{lab.user.subject}/CN=", lab.user.subject
    identity = credential.identity
    assert says.splitlines() == [sort.type, facts.subject, issuer, identity, "2048"]
    assert facts.subject.startswith(subject)
    assert (facts.type, facts.identity, facts.strength) == (sort.type, identity, 2048)
    assert (credential.kind.text, credential.kind.form, credential.kind.rights) == (sort.type, sort.form, sort.rights)
    own_name = sort.rights in (Rights.INDEPENDENT, Rights.RESTRICTED)
    assert identity == (facts.subject if own_name else issuer)
    lost = sort.path_length == 0 and (maker == "grid-proxy-init" or (maker, sort.form) == ("libraries", Form.RFC))
    assert credential.kind.info == (ProxyCertInfo(sort.language) if lost else sort.info)
    assert facts.expires == int(credential.expires.timestamp())


@each_sort
@pytest.mark.parametrize("maker", MAKERS[:1] + MAKERS[2:])
def test_openssl_takes_the_rfc_forms(maker: str, sort: Sort, make: Callable[[str, Sort], Path], lab: Lab) -> None:
    path = str(make(maker, sort))
    done = run(
        "openssl", "verify", "-allow_proxy_certs", "-CApath", str(lab.trusted), "-untrusted", path, path, check=False
    )
    assert (done.returncode == 0) == (sort.form is Form.RFC), done.stderr


@pytest.fixture(scope="module")
def server(grid: Sandbox, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A GridFTP server that trusts the lab's authority, and knows its user."""
    gridmap = tmp_path_factory.mktemp("server") / "grid-mapfile"
    gridmap.write_text(f'"{lab.user.subject}" {grid.user.account}\n')
    trusted = Path(grid.status()["trusted"])
    before = set(trusted.iterdir())
    lab.authority.trust_in(trusted)
    with grid.start_gridftp(env={"GRIDMAP": str(gridmap)}) as started:
        yield started
    for file in set(trusted.iterdir()) - before:  # to the tests that follow it is a stranger
        file.unlink()


@each_sort
def test_a_server_takes_ours_as_it_takes_those_of_the_c_tool(
    sort: Sort, make: Callable[[str, Sort], Path], server: Server, grid: Sandbox
) -> None:
    accepted = {}
    for maker in ("ours", "grid-proxy-init"):
        environment = grid.env | {"X509_USER_PROXY": str(make(maker, sort))}
        url = grid.gsiftp_url("/", server)
        accepted[maker] = run("globus-url-copy", "-list", url, env=environment, check=False).returncode == 0
    by_name = sort.form is not Form.LEGACY and sort.rights in (Rights.IMPERSONATION, Rights.LIMITED)
    assert accepted["grid-proxy-init"] == by_name
    # A path length of 0 forbids the delegation that globus-url-copy logs in with; the C tool loses it.
    assert accepted["ours"] == (by_name and sort.path_length != 0)


@pytest.fixture(scope="module")
def gatekeeper(lab: Lab) -> Iterator[tuple[str, dict[str, str]]]:
    """The contact of a gatekeeper that trusts the lab and knows its user, and the environment of a client."""
    with Sandbox(run=("gatekeeper",)) as sandbox:
        with (sandbox.directory / "host" / "grid-mapfile").open("a") as gridmap:
            gridmap.write(f'"{lab.user.subject}" {sandbox.user.account}\n')
        lab.authority.trust_in(Path(sandbox.status()["trusted"]))
        yield sandbox.variables["PYGLOBUS_SANDBOX_GRAM"], sandbox.env


@each_sort
@each_maker
def test_a_gatekeeper_takes_no_limited_proxy_whoever_made_it(
    maker: str, sort: Sort, make: Callable[[str, Sort], Path], gatekeeper: tuple[str, dict[str, str]]
) -> None:
    """Its answer to a ping, for which nothing is delegated: so it also takes a path length of 0."""
    contact, environment = gatekeeper
    environment = environment | {"X509_USER_PROXY": str(make(maker, sort))}
    accepted = run("globusrun", "-a", "-r", contact, env=environment, check=False).returncode == 0
    assert accepted == (sort.form is not Form.LEGACY and sort.rights is Rights.IMPERSONATION)


@pytest.fixture(scope="module")
def key() -> Key:
    return rsa_key()


SUB_PROXIES = [
    # (what the issuer is, what is wished, what comes of it; None: refused)
    (Wish(), Wish(), (Form.RFC, Rights.IMPERSONATION)),
    (Wish(rights=Rights.LIMITED), Wish(), (Form.RFC, Rights.LIMITED)),
    (Wish(rights=Rights.LIMITED), Wish(rights=Rights.IMPERSONATION), None),
    (Wish(rights=Rights.LIMITED), Wish(rights=Rights.INDEPENDENT), None),
    (Wish(rights=Rights.INDEPENDENT), Wish(rights=Rights.IMPERSONATION), (Form.RFC, Rights.IMPERSONATION)),
    (Wish(form=Form.DRAFT), Wish(), (Form.DRAFT, Rights.IMPERSONATION)),
    (Wish(form=Form.DRAFT), Wish(form=Form.RFC), None),
    (Wish(form=Form.LEGACY, rights=Rights.LIMITED), Wish(), (Form.LEGACY, Rights.LIMITED)),
    (Wish(form=Form.LEGACY), Wish(form=Form.RFC), None),
    (Wish(form=Form.LEGACY), Wish(rights=Rights.INDEPENDENT), None),
]


@pytest.mark.parametrize(("first", "second", "expected"), SUB_PROXIES)
def test_a_proxy_of_a_proxy_keeps_its_limits_as_in_the_libraries(
    first: Wish, second: Wish, expected: tuple[Form, Rights] | None, key: Key, lab: Lab
) -> None:
    issuer = proxy.make(lab.user, first, key=key)
    c_wish = ProxyWish(second.form or "", second.rights or "")
    if expected is None:
        with pytest.raises((errors.CredentialError, errors.UsageError)):
            proxy.make(issuer, second, key=key)
        with pytest.raises(errors.CredentialError):
            toolkit.make(issuer.proxy_pem(), c_wish)
        return
    kind = proxy.make(issuer, second, key=key).kind
    assert (kind.form, kind.rights) == expected
    by_libraries = toolkit.facts(toolkit.make(issuer.proxy_pem(), c_wish))
    assert (by_libraries.form, by_libraries.rights) == expected


def test_a_restricted_proxy_hands_its_policy_down(key: Key, lab: Lab) -> None:
    issuer = proxy.make(lab.user, Wish(language=LANGUAGE, policy=POLICY), key=key)
    assert proxy.make(issuer, key=key).kind.info == ProxyCertInfo(LANGUAGE, POLICY)
    with pytest.raises(errors.CredentialError):
        proxy.make(issuer, Wish(rights=Rights.IMPERSONATION), key=key)


def test_no_proxy_follows_where_the_path_length_ends(key: Key, lab: Lab) -> None:
    last = proxy.make(lab.user, Wish(path_length=0), key=key)
    with pytest.raises(errors.CredentialError) as refused:
        proxy.make(last, key=key)
    assert refused.value.fault == "path-length-exceeded"
    two = proxy.make(lab.user, Wish(path_length=2), key=key)
    one = proxy.make(two, Wish(path_length=7), key=key)
    assert one.kind.info == ProxyCertInfo(path_length=1)
    zero = proxy.make(proxy.make(two, key=key), key=key)
    with pytest.raises(errors.CredentialError):
        proxy.make(zero, key=key)


def test_no_proxy_outlives_a_certificate_of_its_chain(key: Key, lab: Lab) -> None:
    short = proxy.make(lab.user, Wish(lifetime=dt.timedelta(minutes=5)), key=key)
    for wish in (Wish(), Wish(lifetime=None), Wish(lifetime=dt.timedelta.max)):
        made = proxy.make(short, wish, key=key)
        assert made.certificate.not_valid_after_utc == short.certificate.not_valid_after_utc
        assert made.certificate.not_valid_before_utc >= short.certificate.not_valid_before_utc
    assert proxy.make(lab.user, Wish(lifetime=None), key=key).expires == lab.user.expires


def test_what_has_expired_makes_no_proxy(key: Key, lab: Lab) -> None:
    now = dt.datetime.now(dt.UTC)
    begin, end = now - dt.timedelta(days=2), now - dt.timedelta(days=1)
    with pytest.raises(errors.CredentialError) as refused:
        proxy.make(lab.authority.issue("Late", key=key, not_before=begin, not_after=end), key=key)
    assert refused.value.fault == "certificate-expired"


def test_an_authority_makes_no_proxy(key: Key, lab: Lab) -> None:
    with pytest.raises(errors.CredentialError):
        proxy.make(lab.authority.root, key=key)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(rights=Rights.LIMITED, policy=b"x"),
        Wish(rights=Rights.LIMITED, language=LANGUAGE),
        Wish(rights=Rights.RESTRICTED),
        Wish(policy=b"x"),
        Wish(language=INHERIT_ALL, policy=b"x"),
        Wish(language="no oid"),
        Wish(language="9.9"),
        Wish(path_length=-1),
        Wish(path_length=2**31),
        Wish(language=LANGUAGE, policy=b"x" * 70000),
        Wish(form=Form.LEGACY, path_length=1),
        Wish(form=Form.LEGACY, language=LANGUAGE, policy=b"x"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wish: Wish, key: Key, lab: Lab) -> None:
    with pytest.raises(errors.UsageError):
        proxy.make(lab.user, wish, key=key)


@pytest.mark.parametrize("policy", [b"", b"a,pathlen:5", b"\x00\xff", b"x" * 60000])
def test_a_policy_is_kept_byte_by_byte(policy: bytes, key: Key, lab: Lab) -> None:
    info = proxy.make(lab.user, Wish(language=LANGUAGE, policy=policy, path_length=300), key=key).kind.info
    assert info == ProxyCertInfo(LANGUAGE, policy, 300)


@pytest.mark.parametrize("curve", ["p256", "p384"])
def test_elliptic_curves_make_good_chains(curve: str, lab: Lab) -> None:
    user = lab.authority.issue("Curved", key=ec_key(curve))
    for key in (rsa_key(), ec_key(curve)):
        made = proxy.make(user, key=key)
        facts = toolkit.facts(made.proxy_pem())
        assert facts.identity == user.subject
        toolkit.verify(made.proxy_pem(), lab.trusted)


def test_a_weak_key_is_refused(lab: Lab) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(errors.CredentialError):
        request.read(request.create(weak))
    for key in (weak, ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(errors.CredentialError):
            proxy.sign(lab.user, key.public_key())  # type: ignore[arg-type]  # what a caller may do wrong


@pytest.mark.parametrize("asks", ["ours", "libraries"])
@pytest.mark.parametrize("signs", ["ours", "libraries"])
@pytest.mark.parametrize("rights", [Rights.IMPERSONATION, Rights.LIMITED])
def test_delegation_goes_between_ours_and_the_libraries(
    asks: str, signs: str, rights: Rights, lab: Lab, key: Key
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    theirs: GsiRequest | None = None
    if asks == "ours":
        der = x509.load_pem_x509_csr(request.create(key)).public_bytes(Encoding.DER)
    else:
        theirs = engine().submit(GsiRequest, ProxyWish("rfc", Rights.IMPERSONATION)).result()
        der = theirs.der
    if signs == "ours":
        pem = request.sign(lab.user, request.read(der), Wish(rights=rights))
        chain = b"".join(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem))
    else:
        chain = toolkit.sign(lab.user.proxy_pem(), der, ProxyWish("rfc", rights))
        pem = as_pem(chain)
    if theirs is None:
        made = request.assemble(key, pem)
    else:
        assembled = engine().submit(theirs.assemble, chain).result()
        made = Credential.from_pem(engine().submit(assembled.pem).result())
        for one in (assembled, theirs):
            engine().submit(one.close).result()
    assert (made.kind.form, made.kind.rights, made.identity) == (Form.RFC, rights, lab.user.subject)
    toolkit.verify(made.proxy_pem(), lab.trusted)


def test_a_request_may_ask_for_less(key: Key, lab: Lab) -> None:
    asked = request.read(request.create(key, info=ProxyCertInfo(LIMITED, None, 4)))
    made = request.assemble(key, request.sign(lab.user, asked, Wish(path_length=2)))
    assert made.kind.info == ProxyCertInfo(LIMITED, None, 2)
    policy = request.read(request.create(key, info=ProxyCertInfo(LANGUAGE, POLICY)))
    assert request.assemble(key, request.sign(lab.user, policy)).kind.info == ProxyCertInfo(LANGUAGE, POLICY)
    limited = proxy.make(lab.user, Wish(rights=Rights.LIMITED), key=key)
    everything = request.read(request.create(key, info=ProxyCertInfo(INHERIT_ALL)))
    assert request.assemble(key, request.sign(limited, everything)).kind.rights is Rights.LIMITED


def test_a_chain_for_another_key_is_refused(key: Key, lab: Lab) -> None:
    chain = request.sign(lab.user, request.read(request.create(key)))
    with pytest.raises(errors.CredentialError) as refused:
        request.assemble(ec_key(), chain)
    assert refused.value.fault == "key-mismatch"


def test_the_extension_is_that_of_kind_of(key: Key, lab: Lab) -> None:
    """A proxy whose name does not follow from its issuer's is none, for ours as for the libraries."""
    user: Issued = lab.user
    other: Authority = lab.authority
    bad = other.issue(f"{user.subject}/CN=proxy", key=key)
    with pytest.raises(errors.CredentialError):
        kind_of(bad.certificate)
    with pytest.raises(errors.CredentialError):
        toolkit.facts(bad.proxy_pem())


def as_pem(chain: bytes) -> bytes:
    """DER certificates one after the other, as PEM."""
    done = b""
    while chain:
        size = int.from_bytes(chain[2:4]) + 4
        one = ["openssl", "x509", "-inform", "DER"]
        done += subprocess.run(one, input=chain[:size], capture_output=True, check=True).stdout
        chain = chain[size:]
    return done
