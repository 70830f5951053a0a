"""``coati ca``: the local certificate authority and what it issued."""

from pathlib import Path
from typing import Annotated

import typer

from appliance.certificates import service
from appliance.cli import console
from appliance.cli.console import Json
from appliance.models import CertificatePurpose
from appliance.wording import text

app = typer.Typer(help="The certificate authority that clients trust.", no_args_is_help=True)


@app.command("export")
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Give the CA certificate in PEM, for clients to trust."""
    pem = console.run(lambda work: service.show(work, CertificatePurpose.AUTHORITY)).pem
    if output is None:
        console.say(pem.rstrip())
    else:
        output.write_text(pem)


@app.command("show")
def show(json: Json = False) -> None:
    """Show the certificates in use and those that were."""
    page = console.run(service.page)
    if json:
        console.show_json(page.items)
        return
    console.table(
        (
            {
                "purpose": certificate.purpose,
                "names": certificate.names or certificate.subject,
                "good until": certificate.not_after,
                "retired": certificate.retired_at,
                "sha-256": certificate.fingerprint,
            }
            for certificate in page.items
        ),
        "there is no certificate yet; the first start makes them: coati serve",
    )


@app.command("renew")
def renew() -> None:
    """Issue new certificates to gateway and panel under the same CA; clients notice nothing."""
    for certificate in console.run(service.renew):
        console.say(f"{certificate.purpose.value}: {text(certificate.names)}, good until {certificate.not_after:%F}")
