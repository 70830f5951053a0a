"""``/api/v1/certificates``, ``certificate-requests``, ``authorities``; what needs no token is in ``published``."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.attachment import attachment
from appliance.api.dependencies import MADE, VERSIONED, Noun, Number, Owning, Reading, Writing, file, made
from appliance.certificates import authorities, requests, service, transfers
from appliance.certificates.schemas import (
    AuthorityChange,
    AuthorityDefinition,
    AuthorityImport,
    AuthorityView,
    CertificateExport,
    CertificateFilter,
    CertificateImport,
    CertificateView,
    NewAuthority,
    NewCertificate,
    NewRequest,
    RequestAnswer,
    RequestView,
    Revocation,
)
from appliance.schema import Page, Paging

router = Noun("certificates")
requests_router = Noun("certificate-requests", tag="certificates")
authorities_router = Noun("authorities")


class _Wanted(CertificateFilter, Paging):
    """Query of the list."""


# ---- certificates ------------------------------------------------------------------------------------


@router.get("")
async def list_certificates(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[CertificateView]:
    """List certificates, those in use first."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def issue_certificate(work: Owning, new: NewCertificate) -> CertificateView:
    """Issue a certificate to a user or a server, or anew to gateway or panel."""
    return await service.issue(work, new)


@router.post("/renew")
async def renew_certificates(work: Owning) -> list[CertificateView]:
    """Issue new certificates to gateway and panel under the authority that issues."""
    return await service.renew(work)


@router.post("/import", status_code=201)
async def import_certificate(work: Owning, wanted: CertificateImport) -> CertificateView:
    """Take in a certificate from elsewhere; its chain and names are checked."""
    return await transfers.import_(work, wanted)


@router.get("/{which}")
async def show_certificate(work: Reading, which: str) -> CertificateView:
    """Show one certificate, by its number or as gateway, panel or authority."""
    return await service.show(work, which)


@router.post("/{which}/renew", status_code=201)
async def renew_certificate(work: Owning, which: str) -> CertificateView:
    """Issue one like it with a new key and a new span of life, and retire it."""
    return await service.renew_one(work, which)


@router.post("/{which}/revoke", openapi_extra=VERSIONED)
async def revoke_certificate(work: Writing, which: str, wanted: Revocation) -> CertificateView:
    """Take trust away from it: sessions that rest on it end, and the CRL says so."""
    return await service.revoke(work, which, wanted)


@router.post("/{which}/export", response_class=Response, responses={200: file(*transfers.MEDIA_TYPES)})
async def export_certificate(work: Owning, which: str, wanted: CertificateExport) -> Response:
    """Give it as a file, with its chain and, encrypted under the passphrase, its private key."""
    exported = await transfers.export(work, which, wanted)
    return attachment(exported.name, exported.media_type, exported.content)


# ---- requests ----------------------------------------------------------------------------------------


@requests_router.get("")
async def list_requests(work: Reading, paging: Annotated[Paging, Query()]) -> Page[RequestView]:
    """List the requests that wait for an outside authority's answer."""
    return await requests.page(work, paging)


@requests_router.post("", status_code=201)
async def make_request(work: Owning, new: NewRequest) -> RequestView:
    """Make a key and a request for it; the key stays here."""
    return await requests.make(work, new)


@requests_router.get("/{request_id}")
async def show_request(work: Reading, request_id: Number) -> RequestView:
    """Show one request."""
    return await requests.show(work, request_id)


@requests_router.post("/{request_id}/answer", status_code=201)
async def answer_request(work: Owning, request_id: Number, answered: RequestAnswer) -> CertificateView:
    """Take in the authority's answer; it is used at once."""
    return await requests.answer(work, request_id, answered)


@requests_router.delete("/{request_id}", status_code=204)
async def remove_request(work: Owning, request_id: Number) -> None:
    """Forget a request and its key."""
    await requests.remove(work, request_id)


# ---- authorities -------------------------------------------------------------------------------------


@authorities_router.get("")
async def list_authorities(work: Reading, paging: Annotated[Paging, Query()]) -> Page[AuthorityView]:
    """List authorities, the one that issues first."""
    return await authorities.page(work, paging)


@authorities_router.post("", status_code=201)
async def make_authority(work: Owning, new: NewAuthority) -> AuthorityView:
    """Make an authority of our own."""
    return await authorities.make(work, new)


@authorities_router.post("/import", status_code=201)
async def import_authority(work: Owning, wanted: AuthorityImport) -> AuthorityView:
    """Take in an authority from elsewhere, with or without its private key."""
    return await authorities.import_(work, wanted)


@authorities_router.get("/{name}")
async def show_authority(work: Reading, name: str) -> AuthorityView:
    """Show one authority."""
    return await authorities.show(work, name)


@authorities_router.put("/{name}", responses=MADE)
async def define_authority(work: Owning, name: str, wanted: AuthorityDefinition, answer: Response) -> AuthorityView:
    """Have an authority of our own with these settings, whether it is there or not; its key is made once."""
    return made(answer, await authorities.define(work, name, wanted))


@authorities_router.patch("/{name}")
async def change_authority(work: Owning, name: str, change: AuthorityChange) -> AuthorityView:
    """Change whether its clients are let in, and how revocation is checked."""
    return await authorities.change(work, name, change)


@authorities_router.post("/{name}/choose")
async def choose_authority(work: Owning, name: str) -> AuthorityView:
    """Have it issue from now on."""
    return await authorities.choose(work, name)


@authorities_router.post("/{name}/renew")
async def renew_authority(work: Owning, name: str) -> AuthorityView:
    """Give one of our roots a new span of life: same name, same key."""
    return await authorities.renew(work, name)


@authorities_router.delete("/{name}", status_code=204)
async def remove_authority(work: Owning, name: str) -> None:
    """Forget an authority that nothing good hangs on."""
    await authorities.remove(work, name)
