"""``coati profile``: connection profiles."""

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli import console, options
from appliance.cli.console import Yes
from appliance.cli.options import DryRun, Fields
from appliance.models import Preset
from appliance.profiles import endpoints, service
from ike_engine.policy import Authentication, Phase1Mode

app = typer.Typer(help="Connection profiles: what one kind of client may do.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the profile.")]
_Many = list[str] | None

Enabled = Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it serves clients.")]
Position = Annotated[int | None, typer.Option(help="The lowest that accepts an offer serves it.")]
Method = Annotated[list[Authentication] | None, typer.Option("--method", help="How to prove who is there; repeat.")]
Mode = Annotated[list[Phase1Mode] | None, typer.Option("--mode", help="Phase 1 mode; repeat for both.")]
Group = Annotated[_Many, typer.Option("--group", help="Group name that selects it; '' for any.")]
PskStdin = Annotated[bool, typer.Option("--psk-stdin", help="Read the group key from standard input.")]
Psk = Annotated[bool, typer.Option("--psk", help="Ask for the group key.")]
PskGenerate = Annotated[bool, typer.Option("--psk-generate", help="Make a group key and show it once.")]
ClientCa = Annotated[Path | None, typer.Option(help="PEM file of the authority of clients' certificates.")]
NamesLogin = Annotated[
    bool | None,
    typer.Option("--certificate-names-login/--any-certificate", help="A client's certificate must be the user's own."),
]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="Where the proposals come from.")]
Ike = Annotated[_Many, typer.Option("--ike", help="IKE proposal, for example aes256-sha256-modp2048; repeat.")]
Esp = Annotated[_Many, typer.Option("--esp", help="ESP proposal, for example aes256gcm16; repeat.")]
PfsGroup = Annotated[_Many, typer.Option(help="Group allowed in quick mode; '' for any.")]
RequirePfs = Annotated[bool | None, typer.Option(help="Refuse a quick mode without PFS.")]
Truncate = Annotated[bool | None, typer.Option(help="HMAC-SHA2-256 cut to 96 bits, as Android up to 7 does.")]
IkeLifetime = Annotated[int | None, typer.Option(help="Seconds an ISAKMP SA may last.")]
ChildLifetime = Annotated[int | None, typer.Option(help="Seconds a Child SA may last.")]
ChildKilobytes = Annotated[int | None, typer.Option(help="Kilobytes a Child SA may carry.")]
Push = Annotated[bool | None, typer.Option("--push/--pull", help="Push the configuration, or wait to be asked.")]
Reauthenticate = Annotated[bool | None, typer.Option(help="A new phase 1 must log in again.")]
Prompts = Annotated[bool | None, typer.Option(help="The client can show further prompts.")]
DpdInterval = Annotated[float | None, typer.Option(help="Probe after so many silent seconds; 0: never.")]
DpdTimeout = Annotated[float | None, typer.Option(help="Dead after so many seconds without an answer.")]
Fragment = Annotated[int | None, typer.Option(help="Largest IKE datagram in octets before fragmentation.")]
Patience = Annotated[float | None, typer.Option("--login-timeout", help="Seconds a user may take to type.")]
Realm = Annotated[_Many, typer.Option(help="Realm that judges its logins, the first first; repeat; '' for all.")]
Pool = Annotated[str | None, typer.Option(help="Address pool; '' for the oldest.")]

_NAMES = {
    "method": "authentication",
    "mode": "modes",
    "group": "group_names",
    "ike": "ike_proposals",
    "esp": "esp_proposals",
    "pfs_group": "pfs_groups",
    "sha256_96": "truncate_sha256_to_96",
    "ike_lifetime": "isakmp_lifetime_seconds",
    "child_lifetime": "child_lifetime_seconds",
    "child_kilobytes": "child_lifetime_kilobytes",
    "push": "configuration_push",
    "reauthenticate": "reauthenticate_on_rekey",
    "prompts": "xauth_prompts",
    "dpd_interval": "dpd_interval_seconds",
    "dpd_timeout": "dpd_timeout_seconds",
    "fragment": "fragment_octets",
    "realm": "realms",
    "patience": "xauth_timeout_seconds",
}


def _fields(
    enabled: Enabled = None,
    position: Position = None,
    method: Method = None,
    mode: Mode = None,
    group: Group = None,
    psk: Psk = False,
    psk_stdin: PskStdin = False,
    psk_generate: PskGenerate = False,
    client_ca: ClientCa = None,
    certificate_names_login: NamesLogin = None,
    preset: PresetOption = None,
    ike: Ike = None,
    esp: Esp = None,
    pfs_group: PfsGroup = None,
    require_pfs: RequirePfs = None,
    sha256_96: Truncate = None,
    ike_lifetime: IkeLifetime = None,
    child_lifetime: ChildLifetime = None,
    child_kilobytes: ChildKilobytes = None,
    push: Push = None,
    reauthenticate: Reauthenticate = None,
    prompts: Prompts = None,
    dpd_interval: DpdInterval = None,
    dpd_timeout: DpdTimeout = None,
    fragment: Fragment = None,
    patience: Patience = None,
    realm: Realm = None,
    pool: Pool = None,
) -> Fields:
    """Read what a profile is given on the command line."""
    typed = dict(locals())
    authority: Path | None = typed.pop("client_ca")
    for word in ("psk", "psk_stdin", "psk_generate"):
        del typed[word]
    fields = {_NAMES.get(name, name): value for name, value in console.given(typed).items()}
    # Naming suites means them; naming only one kind would leave the other without any.
    if ("ike_proposals" in fields or "esp_proposals" in fields) and "preset" not in fields:
        fields["preset"] = Preset.CUSTOM
    if fields.get("pool") == "":
        fields["pool"] = None
    if authority is not None:
        fields["client_authorities"] = authority.read_text()
    if psk_generate:
        key = service.generate_key()
        console.reveal("group_key", key.get_secret_value())
        fields["pre_shared_key"] = key
    elif psk or psk_stdin:
        fields["pre_shared_key"] = console.read_secret("Group key", stdin=psk_stdin, twice=True)
    return fields


@app.command("add")
@options.of(_fields)
def add(name: Name, fields: Fields) -> None:
    """Add a profile."""
    profile = console.call(endpoints.add_profile, name=name, **fields)
    console.say(f"added profile {profile.name}")
    _warn(profile.weaknesses)


@app.command("set")
@options.of(_fields)
def set_(name: Name, fields: Fields, dry_run: DryRun = False) -> None:
    """Change a profile; what is not named stays. Live sessions keep what they were made with."""
    profile = console.call(endpoints.change_profile, name, dry_run=dry_run, **fields)
    console.say(f"profile {name} is changed")
    _warn(profile.weaknesses)


def _warn(weaknesses: tuple[str, ...]) -> None:
    for weakness in weaknesses:
        console.complain(f"weak: {weakness}")


@app.command("list")
def list_() -> None:
    """List profiles in the order in which they are tried."""
    page = console.whole(endpoints.list_profiles)
    console.table(
        (
            {
                "name": profile.name,
                "enabled": profile.enabled,
                "methods": profile.authentication,
                "modes": profile.modes,
                "groups": profile.group_names or "any",
                "preset": profile.preset,
                "pool": profile.pool or "the oldest",
                "weak": bool(profile.weaknesses),
            }
            for profile in page.items
        ),
        "there is no profile; add one: coati profile add NAME",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show a profile."""
    profile = console.call(endpoints.show_profile, name)
    console.sheet(profile, leave_out=("client_authorities",))


@app.command("order")
def order(names: Annotated[list[str], typer.Argument(help="All profiles, the first first.")]) -> None:
    """Set in which order profiles are tried."""
    page = console.call(endpoints.order_profiles, names=tuple(names))
    console.say(f"profiles are tried in this order: {', '.join(each.name for each in page.items)}")


@app.command("remove")
def remove(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a profile."""
    console.confirm(f"Remove profile {name}?", yes=yes or dry_run)
    console.call(endpoints.remove_profile, name, dry_run=dry_run)
    console.say(f"removed profile {name}")
