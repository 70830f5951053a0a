"""What runs out: certificates and CRLs, in words for the status, the dashboard and the log."""

from datetime import timedelta
from typing import Final

from appliance.certificates import records, repository
from appliance.certificates.schemas import CertificateView
from appliance.installation import Transaction
from appliance.models import Certificate, CertificatePurpose
from appliance.models.columns import now
from appliance.system.schemas import Problem

SOON: Final = timedelta(days=30)
# Every client must be given the new root before the old one expires.
AUTHORITY_SOON: Final = timedelta(days=180)
_EVER: Final = timedelta(days=100 * 365)
_MOST_NAMES: Final = 5

_REMEDIES: Final = {
    CertificatePurpose.AUTHORITY: "if it is ours: coati ca renew NAME, then give clients the new one",
    CertificatePurpose.GATEWAY: "coati certificate renew gateway; from an outside authority: coati certificate csr",
    CertificatePurpose.PANEL: "coati certificate renew panel; from an outside authority: coati certificate csr",
    CertificatePurpose.SERVER: "coati certificate renew NUMBER, then export it to that machine",
}


async def problems(work: Transaction) -> list[Problem]:
    """Give what will not be good in a month (of authorities: half a year), the first to expire first."""
    at = now()
    rows = await repository.expiring(work.session, at + AUTHORITY_SOON)
    found = [
        Problem(what=f"the {_what(row)} {_expires(row)}", remedy=_REMEDIES[row.purpose])
        for row in rows
        if row.purpose is not CertificatePurpose.USER
        and (row.purpose is CertificatePurpose.AUTHORITY or row.not_after < at + SOON)
    ]
    users = [row for row in rows if row.purpose is CertificatePurpose.USER and at < row.not_after < at + SOON]
    if users:
        more = f" and {len(users) - _MOST_NAMES} others" if len(users) > _MOST_NAMES else ""
        names = ", ".join(row.owner for row in users[:_MOST_NAMES])
        what = f"the certificates of {names}{more} expire by {users[-1].not_after:%Y-%m-%d}"
        found.append(Problem(what=what, remedy="coati certificate renew NUMBER, then give the users the new ones"))
    for authority in await repository.all_authorities(work.session):
        if authority.crl_next_update_at is not None and authority.crl_next_update_at < at:
            what = f"the CRL of {authority.name} has run out: who checks it believes none of its certificates"
            found.append(Problem(what=what, remedy="the web process renews it every day: look at its log"))
    return found


async def soonest(work: Transaction) -> CertificateView | None:
    """Give the certificate that is the first to expire of all in use."""
    found = await repository.expiring(work.session, now() + _EVER)
    return await records.view(work, found[0]) if found else None


def _what(row: Certificate) -> str:
    if row.purpose in (CertificatePurpose.GATEWAY, CertificatePurpose.PANEL):
        return f"{row.purpose.value}'s certificate"
    return f"certificate of {row.subject}"


def _expires(row: Certificate) -> str:
    verb = "expired" if row.not_after <= now() else "expires"
    return f"{verb} on {row.not_after:%Y-%m-%d}"
