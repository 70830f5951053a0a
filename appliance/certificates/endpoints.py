"""``/api/v1/certificates``."""

from appliance.certificates import service
from appliance.certificates.schemas import CertificateView
from appliance.dependencies import Noun, Owning, Reading
from appliance.models import CertificatePurpose
from appliance.schema import Page

router = Noun("certificates")


@router.get("")
async def list_certificates(work: Reading) -> Page[CertificateView]:
    """List all certificates, those in use first."""
    return await service.page(work)


@router.get("/{purpose}")
async def show_certificate(work: Reading, purpose: CertificatePurpose) -> CertificateView:
    """Show the certificate in use; that of the authority is what clients trust."""
    return await service.show(work, purpose)


@router.post("/renew")
async def renew_certificates(work: Owning) -> list[CertificateView]:
    """Issue new certificates to gateway and panel under the same authority."""
    return await service.renew(work)
