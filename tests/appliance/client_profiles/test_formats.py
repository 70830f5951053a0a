"""What each format says of one profile, read back by somebody else's parser where there is one."""

import base64
import configparser
import io
import plistlib
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from pydantic import SecretStr
from sqlalchemy import select

from appliance import first_start
from appliance.certificates import service as certificates
from appliance.certificates.schemas import NewCertificate
from appliance.client_profiles import service
from appliance.client_profiles.schemas import Wanted
from appliance.client_profiles.target import ClientFile, ClientFormat
from appliance.errors import Invalid, NotFound
from appliance.installation import Installation, Transaction
from appliance.models import AuditEntry, CertificatePurpose, Preset
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile, ProfileChange

GROUP_KEY = 'a "group" key \\ of phones'
METHODS = ("hybrid-rsa", "xauth-psk", "xauth-rsa")


@pytest.fixture
def empty_database_url(tmp_path: Path) -> SecretStr:
    """One kind will do: files are files."""
    return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")


@pytest.fixture
async def work(installation: Installation) -> Transaction:  # type: ignore[misc]
    """An appliance as the first start makes it, with a profile for each method."""
    await first_start.ensure(installation)
    async with installation.transaction(first_start.FIRST_START) as begun:
        for method in METHODS:
            fields: dict[str, object] = {"name": method, "authentication": [method], "preset": "compatible"}
            if method == "xauth-psk":
                fields |= {"pre_shared_key": SecretStr(GROUP_KEY), "group_names": ["phones"]}
            await profiles.add(begun, NewProfile.model_validate(fields))
        await certificates.issue(begun, NewCertificate(owner="alice"))
        yield begun


async def written(
    work: Transaction, form: ClientFormat, profile: str, *, with_secrets: bool = True
) -> dict[str, ClientFile]:
    wanted = Wanted(user="alice", profile=profile, format=form)
    return {each.path: each for each in await service.write(work, wanted, with_secrets=with_secrets)}


async def only(work: Transaction, form: ClientFormat, profile: str, *, with_secrets: bool = True) -> str:
    (text, *_) = (await written(work, form, profile, with_secrets=with_secrets)).values()
    return text.content.decode()


def verified(directory: Path) -> bytes:
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "signed", "-CAfile", "ca.pem", "-purpose", "any"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout


# ---- iOS and macOS -------------------------------------------------------------------------------------


async def opened(work: Transaction, directory: Path, profile: str, *, with_secrets: bool = True) -> dict[str, object]:
    """Have openssl check the signature, as the system will; give the VPN payload."""
    files = await written(work, ClientFormat.MOBILECONFIG, profile, with_secrets=with_secrets)
    (file,) = files.values()
    (directory / "signed").write_bytes(file.content)
    (directory / "ca.pem").write_text(await certificates.client_trust(work))
    read = plistlib.loads(verified(directory))
    assert read["PayloadType"] == "Configuration"
    payloads = {payload["PayloadType"]: payload for payload in read["PayloadContent"]}
    root = payloads["com.apple.security.root"]["PayloadContent"]
    assert root == certificates.files.from_pem(await certificates.client_trust(work))[0].public_bytes(
        certificates.Encoding.DER
    )
    assert len({payload["PayloadUUID"] for payload in (read, *payloads.values())}) == len(payloads) + 1
    vpn = payloads["com.apple.vpn.managed"]
    assert vpn["VPNType"] == "IPSec"
    assert vpn["IPSec"]["RemoteAddress"] == "vpn.example.net"
    assert (vpn["IPSec"]["XAuthEnabled"], vpn["IPSec"]["XAuthName"]) == (1, "alice")
    return payloads


async def test_apple_hybrid(work: Transaction, tmp_path: Path) -> None:
    ipsec = (await opened(work, tmp_path, "hybrid-rsa"))["com.apple.vpn.managed"]["IPSec"]
    assert ipsec["AuthenticationMethod"] == "SharedSecret"
    assert ipsec["LocalIdentifier"] == "hybrid-rsa[hybrid]"
    assert ipsec["LocalIdentifierType"] == "KeyID"
    assert "SharedSecret" not in ipsec


@pytest.mark.parametrize("with_secrets", [True, False])
async def test_apple_group_key(*, work: Transaction, tmp_path: Path, with_secrets: bool) -> None:
    ipsec = (await opened(work, tmp_path, "xauth-psk", with_secrets=with_secrets))["com.apple.vpn.managed"]["IPSec"]
    assert ipsec["LocalIdentifier"] == "phones"
    assert ipsec.get("SharedSecret") == (GROUP_KEY.encode() if with_secrets else None)


async def test_apple_certificate(work: Transaction, tmp_path: Path) -> None:
    payloads = await opened(work, tmp_path, "xauth-rsa")
    identity = payloads["com.apple.security.pkcs12"]
    ipsec = payloads["com.apple.vpn.managed"]["IPSec"]
    assert ipsec["AuthenticationMethod"] == "Certificate"
    assert ipsec["PayloadCertificateUUID"] == identity["PayloadUUID"]
    held = pkcs12.load_pkcs12(identity["PayloadContent"], identity["Password"].encode())
    assert held.cert is not None
    assert held.cert.certificate.subject.rfc4514_string() == "CN=alice"
    bare = await opened(work, tmp_path, "xauth-rsa", with_secrets=False)
    assert "com.apple.security.pkcs12" not in bare


async def test_a_newer_apple_profile_replaces_the_older(work: Transaction, tmp_path: Path) -> None:
    first = await opened(work, tmp_path, "hybrid-rsa")
    again = await opened(work, tmp_path, "hybrid-rsa")
    assert first["com.apple.vpn.managed"] == again["com.apple.vpn.managed"]


# ---- the others ----------------------------------------------------------------------------------------


async def test_vpnc(work: Transaction) -> None:
    hybrid = await written(work, ClientFormat.VPNC, "hybrid-rsa")
    text = hybrid["/etc/vpnc/hybrid-rsa.conf"].content.decode()
    for line in (
        "IPSec gateway vpn.example.net",
        "IPSec ID hybrid-rsa",
        "IKE Authmode hybrid",
        "IKE DH Group dh14",
        "CA-File /etc/vpnc/hybrid-rsa-ca.pem",
        "Xauth username alice",
        "Perfect Forward Secrecy nopfs",
    ):
        assert f"{line}\n" in text
    assert b"BEGIN CERTIFICATE" in hybrid["/etc/vpnc/hybrid-rsa-ca.pem"].content
    psk = await only(work, ClientFormat.VPNC, "xauth-psk")
    assert f"IPSec secret {GROUP_KEY}\n" in psk
    assert "IPSec ID phones\n" in psk
    with pytest.raises(Invalid, match="vpnc knows hybrid-rsa or xauth-psk; profile xauth-rsa takes xauth-rsa"):
        await written(work, ClientFormat.VPNC, "xauth-rsa")


async def test_vpnc_is_told_to_use_what_the_profile_accepts(work: Transaction) -> None:
    await profiles.add(
        work,
        NewProfile(
            name="old",
            preset="custom",
            ike_proposals=("aes128-sha1-modp1024",),
            esp_proposals=("aes128-sha1",),
            require_pfs=True,
            pfs_groups=("modp1536", "modp1024"),
        ),
    )
    text = await only(work, ClientFormat.VPNC, "old")
    assert "IKE DH Group dh2\n" in text
    assert "Perfect Forward Secrecy dh5\n" in text
    await profiles.add(work, NewProfile(name="strict", preset="modern"))
    with pytest.raises(Invalid, match="none of the IKE proposals") as refused:
        await written(work, ClientFormat.VPNC, "strict")
    assert refused.value.remedy == "accept more: coati profile set strict --preset compatible"
    await profiles.add(work, NewProfile(name="main-only", preset="compatible", modes=("main",)))
    with pytest.raises(Invalid, match="aggressive mode"):
        await written(work, ClientFormat.VPNC, "main-only")


async def test_network_manager(work: Transaction) -> None:
    files = await written(work, ClientFormat.NETWORK_MANAGER, "xauth-psk")
    (file,) = files.values()
    assert file.secret
    parser = configparser.RawConfigParser()
    parser.read_string(file.content.decode())
    assert parser["connection"]["type"] == "vpn"
    assert parser["vpn"]["service-type"] == "org.freedesktop.NetworkManager.vpnc"
    assert parser["vpn"]["IPSec ID"] == "phones"
    assert parser["vpn-secrets"]["IPSec secret"] == GROUP_KEY
    assert parser["vpn"]["Xauth password-flags"] == "2"
    hybrid = await written(work, ClientFormat.NETWORK_MANAGER, "hybrid-rsa")
    assert "/etc/NetworkManager/hybrid-rsa-ca.pem" in hybrid


async def test_cisco(work: Transaction) -> None:
    with pytest.raises(Invalid) as refused:  # it knows small groups only
        await only(work, ClientFormat.CISCO_PCF, "xauth-psk")
    assert refused.value.remedy == "accept more: coati profile set xauth-psk --preset legacy"
    for name in ("xauth-psk", "hybrid-rsa"):
        await profiles.change(work, name, ProfileChange(preset=Preset.LEGACY))
    parser = configparser.RawConfigParser()
    parser.read_string(await only(work, ClientFormat.CISCO_PCF, "xauth-psk"))
    main = parser["main"]
    assert (main["Host"], main["AuthType"], main["GroupName"]) == ("vpn.example.net", "1", "phones")
    assert (main["GroupPwd"], main["DHGroup"], main["Username"]) == (GROUP_KEY, "5", "alice")
    parser.read_string(await only(work, ClientFormat.CISCO_PCF, "hybrid-rsa"))
    assert parser["main"]["AuthType"] == "5"


async def test_shrew(work: Transaction) -> None:
    settings = dict(line.split(":", 2)[1:] for line in (await only(work, ClientFormat.SHREW, "xauth-psk")).splitlines())
    assert settings["auth-method"] == "mutual-psk-xauth"
    assert base64.b64decode(settings["auth-mutual-psk"]).decode() == GROUP_KEY
    assert (settings["ident-client-type"], settings["ident-client-data"]) == ("keyid", "phones")
    assert settings["phase1-exchange"] == "aggressive"
    rsa = await only(work, ClientFormat.SHREW, "xauth-rsa")
    assert "s:auth-method:mutual-rsa-xauth\n" in rsa
    assert "b:auth-client-key-data:" in rsa
    assert "b:auth-client-key-data:" not in await only(work, ClientFormat.SHREW, "xauth-rsa", with_secrets=False)


async def test_racoon(work: Transaction) -> None:
    files = await written(work, ClientFormat.RACOON, "xauth-psk")
    assert files["/etc/racoon/xauth-psk-psk.txt"].content.decode() == f"vpn.example.net {GROUP_KEY}\n"
    assert files["/etc/racoon/xauth-psk-psk.txt"].secret
    text = files["/etc/racoon/xauth-psk.conf"].content.decode()
    assert 'my_identifier keyid tag "phones";' in text
    assert text.count("{") == text.count("}")
    hybrid = (await written(work, ClientFormat.RACOON, "hybrid-rsa"))["/etc/racoon/hybrid-rsa.conf"].content.decode()
    assert "authentication_method hybrid_rsa_client;" in hybrid
    assert 'ca_type x509 "hybrid-rsa-ca.pem";' in hybrid


async def test_swanctl_escapes_what_it_quotes(work: Transaction) -> None:
    text = await only(work, ClientFormat.SWANCTL, "xauth-psk")
    assert r'secret = "a \"group\" key \\ of phones"' in text
    assert "aggressive = yes" in text


async def test_what_goes_through_the_tunnel(work: Transaction) -> None:
    await pools.change(work, "default", PoolChange(split_include=("10.77.0.0/24",)))
    assert "remote_ts = 10.77.0.0/24" in await only(work, ClientFormat.SWANCTL, "hybrid-rsa")
    assert "10.77.0.0/24" in await only(work, ClientFormat.INSTRUCTIONS, "hybrid-rsa")


@pytest.mark.parametrize("form", ClientFormat)
@pytest.mark.parametrize("method", METHODS)
async def test_secrets_go_along_only_when_asked_for(work: Transaction, form: ClientFormat, method: str) -> None:
    try:
        files = await written(work, form, method, with_secrets=False)
    except Invalid:
        return  # this client cannot come in that way, which the tests above show
    content = b"".join(file.content for file in files.values())
    for secret in (GROUP_KEY.encode(), GROUP_KEY.replace("\\", "\\\\").encode(), b"PRIVATE KEY"):
        assert secret not in content
    assert not list(await work.session.scalars(select(AuditEntry).where(AuditEntry.deed == "client-profile.export")))
    await written(work, form, method, with_secrets=True)
    (entry,) = await work.session.scalars(select(AuditEntry).where(AuditEntry.deed == "client-profile.export"))
    assert entry.target == "alice"
    assert "group" not in str(entry.after)


async def test_several_files_come_as_an_archive_for_the_root_directory(work: Transaction) -> None:
    given = await service.download(
        work, Wanted(user="alice", profile="xauth-rsa", format=ClientFormat.SWANCTL), with_secrets=True
    )
    assert given.name == "xauth-rsa-swanctl.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(given.content)) as tar:
        modes = {entry.name: entry.mode for entry in tar}
    assert modes == {
        "etc/swanctl/conf.d/xauth-rsa.conf": 0o600,
        "etc/swanctl/x509ca/xauth-rsa-ca.pem": 0o644,
        "etc/swanctl/x509/xauth-rsa.pem": 0o644,
        "etc/swanctl/private/xauth-rsa.pem": 0o600,
    }


async def test_who_cannot_be_served_is_told_why(work: Transaction) -> None:
    found = {each.format: each for each in await service.choices(work, "bob", "xauth-rsa")}
    assert not any(each.possible for each in found.values())
    assert "bob" not in found[ClientFormat.SWANCTL].why_not
    assert "the user has no certificate" in found[ClientFormat.SWANCTL].why_not
    assert found[ClientFormat.VPNC].remedy
    others = await service.choices(work, "bob", "hybrid-rsa")
    assert [each.format for each in others if not each.possible] == [ClientFormat.CISCO_PCF]
    with pytest.raises(NotFound):
        await service.choices(work, "bob", "nothing")
    assert (await certificates.show(work, CertificatePurpose.GATEWAY)).names[0] == "vpn.example.net"
