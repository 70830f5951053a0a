"""What anybody may have: authorities' certificates and CRLs, on the panel and, if wanted, over plain HTTP.

Both are signed: who carries them can keep them back, but change nothing. Over TLS alone they are of little use to who
is just about to check a TLS certificate of the same authority; the listener in the clear (``COATI_CRL_LISTEN``) serves
this and nothing else.
"""

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, FastAPI, Request, Response

from appliance.api import failures
from appliance.api.attachment import attachment
from appliance.api.dependencies import file, installation
from appliance.certificates import authorities, files, service
from appliance.installation import Installation

router: Final = APIRouter(tags=["authorities"], responses=failures.responses(404, 422, 500, 503))

_PEM: Final = "application/x-pem-file"
_CER: Final = "application/x-x509-ca-cert"
_CERT: Final = "application/pkix-cert"
_CRL: Final = "application/pkix-crl"


def create(installation: Installation) -> FastAPI:
    """Make the application of the listener in the clear."""
    app = FastAPI(title="Coati's authorities and CRLs", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.installation = installation
    failures.install(app)
    app.include_router(router)
    return app


@router.get("/ca.pem", response_class=Response, responses={200: file(_PEM)})
async def show_trusted_authority(request: Request) -> Response:
    """Give what clients must trust before they can log in: the root above the gateway's certificate."""
    async with installation(request).snapshot() as work:
        return _file("coati-ca.pem", _PEM, (await service.client_trust(work)).encode())


@router.get("/ca.cer", response_class=Response, responses={200: file(_CER)})
async def show_trusted_authority_der(request: Request) -> Response:
    """Give the same in DER, which phones and Windows open by themselves."""
    async with installation(request).snapshot() as work:
        (root,) = files.from_pem(await service.client_trust(work))
    return _file("coati-ca.cer", _CER, root.public_bytes(Encoding.DER))


@router.get("/ca/{name}.cer", response_class=Response, responses={200: file(_CERT)})
async def show_certificate_of_authority(request: Request, name: str) -> Response:
    """Give the certificate of one authority: where what it issued says that its issuer is."""
    async with installation(request).snapshot() as work:
        certificate = await authorities.certificate(work, name)
    return _file(f"{name}.cer", _CERT, certificate.public_bytes(Encoding.DER))


@router.get("/crl.pem", response_class=Response, responses={200: file(_PEM)})
async def show_crl_pem(request: Request) -> Response:
    """Give the CRL of the authority that issues, in PEM."""
    async with installation(request).snapshot() as work:
        return _file("coati-crl.pem", _PEM, (await authorities.crl_pem(work)).encode())


@router.get("/crl.der", response_class=Response, responses={200: file(_CRL)})
async def show_crl_der(request: Request) -> Response:
    """Give the CRL of the authority that issues, in DER."""
    async with installation(request).snapshot() as work:
        return _file("coati-crl.der", _CRL, (await authorities.crl(work)).public_bytes(Encoding.DER))


@router.get("/crl/{name}.pem", response_class=Response, responses={200: file(_PEM)})
async def show_crl_of_pem(request: Request, name: str) -> Response:
    """Give the CRL of one of our authorities, in PEM."""
    async with installation(request).snapshot() as work:
        return _file(f"{name}.crl.pem", _PEM, (await authorities.crl_pem(work, name)).encode())


@router.get("/crl/{name}.der", response_class=Response, responses={200: file(_CRL)})
async def show_crl_of(request: Request, name: str) -> Response:
    """Give the CRL of one of our authorities: what its certificates point to."""
    async with installation(request).snapshot() as work:
        return _file(f"{name}.der", _CRL, (await authorities.crl(work, name)).public_bytes(Encoding.DER))


def _file(name: str, media_type: str, content: bytes) -> Response:
    return attachment(name, media_type, content, cache="no-cache")
