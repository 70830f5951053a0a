"""What every format is written from: one user, one connection profile, this gateway."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.certificates.issuing import SigningKey
from appliance.errors import Invalid
from appliance.models import Preset
from appliance.profiles import presets
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode
from ike_engine.secret import Secret


class ClientFormat(enum.StrEnum):
    """For which client a file is."""

    MOBILECONFIG = "mobileconfig"
    VPNC = "vpnc"
    CISCO_PCF = "cisco-pcf"
    SHREW = "shrew"
    SWANCTL = "swanctl"
    NETWORK_MANAGER = "network-manager"
    RACOON = "racoon"
    INSTRUCTIONS = "instructions"


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A file for the client's machine.

    Attributes:
        path: Where it belongs there, or just its name.
        secret: Nobody but its owner may read it.
    """

    path: str
    content: bytes = field(repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """What a user proves himself by."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: SigningKey | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a client program can do.

    Attributes:
        name: As people call it.
        methods: In the order in which they are to be taken.
        modes: Phase 1 exchanges.
        aggressive_for: Methods that it begins with in aggressive mode only.
    """

    name: str
    methods: tuple[Authentication, ...]
    modes: frozenset[Phase1Mode]
    aggressive_for: frozenset[Authentication] = frozenset()
    ciphers: frozenset[Cipher]
    hashes: frozenset[HashAlgorithm]
    groups: tuple[DhGroup, ...]
    esp_ciphers: frozenset[Cipher]
    integrities: frozenset[Integrity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One user's way in.

    Attributes:
        user: Login name.
        name: Of the connection profile; names files and connections.
        title: What people see: ``Coati at vpn.example.net``.
        gateway: Name or address that clients reach the gateway by, and its identity.
        method: How phase 1 proves who is there.
        mode: Which phase 1 exchange the client is to begin.
        group: Group name of aggressive mode; empty in main mode.
        group_key: ``None``: not to be handed out, the client asks for it.
        root: What the client must trust.
        certificate: Of the user, for ``XAUTH_RSA``.
        ike: Phase 1 proposals that both can, the profile's order.
        esp: Quick mode's.
        pfs: Group of quick mode, ``None``: without.
        networks: What goes through the tunnel; empty: everything.
    """

    user: str
    name: str
    title: str
    gateway: str
    method: Authentication
    mode: Phase1Mode
    group: str
    group_key: Secret | None = field(repr=False)
    root: x509.Certificate
    certificate: UserCertificate | None
    ike: tuple[IkeProposal, ...]
    esp: tuple[EspProposal, ...]
    pfs: DhGroup | None
    networks: tuple[str, ...] = ()

    @property
    def root_pem(self) -> str:
        """The root in PEM."""
        return self.root.public_bytes(Encoding.PEM).decode()

    @property
    def best_group(self) -> DhGroup:
        """The strongest group of the proposals."""
        return max((proposal.group for proposal in self.ike), key=int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a connection profile accepts.

    Attributes:
        profile: Its name.
        group_names: That select it; empty: any.
    """

    profile: str
    methods: frozenset[Authentication]
    modes: frozenset[Phase1Mode]
    group_names: tuple[str, ...]
    ike: tuple[IkeProposal, ...]
    esp: tuple[EspProposal, ...]
    pfs_groups: tuple[DhGroup, ...]
    require_pfs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What client and profile both can; fields as in ``Target``."""

    method: Authentication
    mode: Phase1Mode
    group: str
    ike: tuple[IkeProposal, ...]
    esp: tuple[EspProposal, ...]
    pfs: DhGroup | None


def agree(offered: Offered, client: Client, *, has_certificate: bool) -> Agreement:
    """Find out how this client comes in by this profile.

    Raises:
        Invalid: it cannot; says why, and what would let it.
    """
    methods = [method for method in client.methods if method in offered.methods]
    if not methods:
        raise Invalid(
            f"{client.name} knows {_words(m.value for m in client.methods)}; profile {offered.profile} takes "
            f"{_words(m.value for m in offered.methods)}",
            field="format",
            remedy=f"another client, or another method: coati profile set {offered.profile} --method",
        )
    if not has_certificate and methods == [Authentication.XAUTH_RSA]:
        raise Invalid(
            "the user has no certificate, and the profile wants one",
            field="user",
            remedy="issue one: coati certificate issue --user NAME",
        )
    method = next(each for each in methods if has_certificate or each is not Authentication.XAUTH_RSA)
    mode = _mode(offered, client, method)
    ike, esp = _both_can_ike(offered.ike, client), _both_can_esp(offered.esp, client)
    if not ike or not esp:
        what = "IKE" if not ike else "ESP"
        raise Invalid(
            f"{client.name} can do none of the {what} proposals of profile {offered.profile}",
            field="format",
            remedy=_accept_more(offered, client),
        )
    pfs = None
    if offered.require_pfs:
        groups = [group for group in client.groups if group in offered.pfs_groups]
        if not groups:
            raise Invalid(f"{client.name} can do none of the PFS groups of profile {offered.profile}", field="format")
        pfs = max(groups, key=int)
    group = "" if mode is Phase1Mode.MAIN else (offered.group_names or (offered.profile,))[0]
    return Agreement(method=method, mode=mode, group=group, ike=ike, esp=esp, pfs=pfs)


def _mode(offered: Offered, client: Client, method: Authentication) -> Phase1Mode:
    able = frozenset({Phase1Mode.AGGRESSIVE}) if method in client.aggressive_for else client.modes
    both = offered.modes & able
    if not both:
        raise Invalid(
            f"{client.name} begins with {_words(m.value for m in able)} mode, which profile {offered.profile} "
            "does not take",
            field="format",
            remedy=f"coati profile set {offered.profile} --mode main --mode aggressive",
        )
    # Only aggressive mode says the group name in time; without one to say, main mode hides who comes.
    wanted = (
        Phase1Mode.AGGRESSIVE if offered.group_names and method is not Authentication.XAUTH_RSA else Phase1Mode.MAIN
    )
    return wanted if wanted in both else next(iter(both))


def _accept_more(offered: Offered, client: Client) -> str:
    for preset in (Preset.COMPATIBLE, Preset.LEGACY):
        if _both_can_ike(presets.IKE_PROPOSALS[preset], client) and _both_can_esp(
            presets.ESP_PROPOSALS[preset], client
        ):
            return f"accept more: coati profile set {offered.profile} --preset {preset.value}"
    return "take another client"


def _both_can_ike(proposals: Iterable[IkeProposal], client: Client) -> tuple[IkeProposal, ...]:
    return tuple(
        proposal
        for proposal in proposals
        if proposal.cipher in client.ciphers
        and proposal.hash_algorithm in client.hashes
        and proposal.group in client.groups
    )


def _both_can_esp(proposals: Iterable[EspProposal], client: Client) -> tuple[EspProposal, ...]:
    return tuple(
        proposal
        for proposal in proposals
        if proposal.suite.cipher in client.esp_ciphers
        and (proposal.suite.integrity is None or proposal.suite.integrity in client.integrities)
    )


def _words(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))
