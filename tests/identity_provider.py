"""An identity provider (OpenID Connect) that knows one person; served over TLS where a real browser is to come by."""

from __future__ import annotations

import base64
import hashlib
import html
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "between the two of us"


class Provider:
    """What an identity provider does: it knows one person, and what was asked of it."""

    def __init__(self, issuer: str = "https://id.example") -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "Olivia", "groups": ["staff", "ops"]}
        self.asked: dict[str, str] = {}
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self.describe)
        self.app.get("/keys")(self.keys)
        self.app.get("/authorize")(self.authorize)
        self.app.get("/vouch")(self.vouch)
        self.app.post("/token")(self.token)

    async def describe(self) -> dict[str, str]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in names.items()}

    async def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    async def authorize(self, request: Request) -> HTMLResponse:
        """The provider's own page, where the person says that it is all right."""
        self.asked = dict(request.query_params)
        who = html.escape(str(self.claims["preferred_username"]))
        head = '<!doctype html><title>Provider</title><link rel="icon" href="data:,">'
        return HTMLResponse(f'{head}<h1>Provider</h1><a href="/vouch">I am {who}</a>')

    async def vouch(self) -> RedirectResponse:
        answer = urlencode({"state": self.asked["state"], "code": "the code"})
        return RedirectResponse(f"{self.asked['redirect_uri']}?{answer}", 303)

    async def token(self, request: Request, code: str = Form(), code_verifier: str = Form()) -> dict[str, str]:
        proof = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).decode().rstrip("=")
        basic = base64.b64encode(f"coati:{SECRET}".encode()).decode()
        assert (code, proof) == ("the code", self.asked["code_challenge"])
        assert request.headers["authorization"] == f"Basic {basic}"
        said = {
            "iss": self.issuer,
            "aud": "coati",
            "exp": int(time.time()) + 60,
            "nonce": self.asked["nonce"],
            **self.claims,
        }
        return {"id_token": jwt.encode({"alg": "RS256", "kid": "one"}, said, self.key)}


@contextmanager
def served(certificate: Path) -> Iterator[Provider]:
    """A provider in a thread of its own, over TLS.

    Args:
        certificate: Of ``localhost``, with its key.
    """
    with socket.create_server(("127.0.0.1", 0)) as bound:
        provider = Provider(f"https://localhost:{bound.getsockname()[1]}")
        config = uvicorn.Config(provider.app, log_config=None, loop="asyncio", lifespan="off")
        config.load()
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        config.ssl.load_cert_chain(certificate)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield provider
        server.should_exit = True
        thread.join(30)
