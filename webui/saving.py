"""Saving a form: nobody overwrites unseen what somebody else changed, and a save tells what it does to live sessions.

A form carries the version of the thing that it shows, and the number of the last change before it (``seen``). Saved
over something newer, it comes back with what was typed, who changed what meanwhile, and the choice, field by field, of
theirs. A save that concerns live sessions is tried first, undone, and shown (``preview.html``) with all that was
typed sealed in it; the second post does it.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response
from starlette.datastructures import FormData

from appliance.api.dependencies import installation
from appliance.audit import service as audit
from appliance.configuration import consequences
from appliance.configuration import service as configuration
from appliance.configuration.schemas import Consequence, VersionView
from appliance.errors import Invalid, LostUpdate
from appliance.installation import Actor, Transaction
from appliance.master_key import Sealed, Unsealable
from appliance.schema import Schema, version
from webui.forms import Form, Meanwhile, Refused
from webui.rendering import page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thing:
    """What a form is about.

    Attributes:
        noun: As the audit log has it: the first word of its deeds.
        name: Of the thing; empty: all of that noun.
        show: Gives it as the API shows it.
    """

    noun: str
    name: str
    show: Callable[[Transaction], Awaitable[Schema | Sequence[Schema]]]

    async def seen(self, work: Transaction) -> str:
        """Give what a form has to carry: the version of what it shows, and the last change before it."""
        shown = await self.show(work)
        versions = [version(each) for each in (shown if isinstance(shown, Sequence) else [shown])]
        return f"{','.join(versions)} {await audit.latest(work)}"


class NotSaved(Exception):
    """The form is to be shown again.

    Attributes:
        form: As it was filled in, marked.
        code: HTTP status.
    """

    def __init__(self, form: Form, code: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__("not saved")
        self.form = form
        self.code = code


class ToBeConfirmed(Exception):
    """It was tried and undone: whoever saves is to see first what it does."""

    def __init__(
        self, actor: Actor, sent: FormData, versions: Sequence[VersionView], foreseen: Sequence[Consequence], title: str
    ) -> None:
        super().__init__("to be confirmed")
        self.actor = actor
        self.sent = sent
        self.versions = versions
        self.foreseen = foreseen
        self.title = title


async def sent_form(request: Request) -> FormData:
    """Give what was typed: into the form, or earlier, if this comes from the preview.

    Raises:
        Invalid: the preview was not ours.
    """
    sent = await request.form()
    if "sealed" not in sent:
        return sent
    try:
        sealed = Sealed(b64decode(str(sent["sealed"]), validate=True))
        opened = installation(request).master_key.open(sealed, _purpose(request))
    except (Unsealable, binascii.Error):
        raise Invalid("this page is of another time", remedy="open the form again") from None
    typed = parse_qsl(bytes(opened).decode(), keep_blank_values=True)
    return FormData([*typed, ("confirmed", str(sent.get("deed", "")))])


async def save(
    request: Request,
    actor: Actor,
    sent: FormData,
    thing: Thing,
    deed: Callable[[Transaction], Awaitable[T]],
    *,
    secret_fields: Collection[str] = (),
    title: str = "",
    again: bool = False,
) -> T:
    """Do what a form says.

    Args:
        request: That the form came by.
        actor: Who.
        sent: From ``sent_form``.
        thing: What it changes.
        deed: Changes it, in the transaction that it is given.
        secret_fields: What it changes of which the audit log has no trace.
        title: What is asked even when nobody is concerned; empty: then nothing is asked.
        again: It was overtaken once by what this form does not show.

    Raises:
        NotSaved: it was refused, or somebody else was faster, or whoever saves wants to type more.
        ToBeConfirmed: it is to be shown first what it does.
    """
    confirmed = sent.get("confirmed")
    if confirmed == "again":
        raise NotSaved(Form.kept(sent), HTTPStatus.OK)
    expected, _, last_seen = str(sent.get("seen", "")).rpartition(" ")
    try:
        async with installation(request).transaction(actor, expected=expected) as work:
            before = await audit.latest(work)
            done = await deed(work)
            if not confirmed:
                versions = await configuration.since(work, thing.noun, thing.name, before)
                foreseen = await consequences.foresee(work, versions, secret_fields=secret_fields)
                if foreseen or (title and versions):
                    raise ToBeConfirmed(actor, sent, versions, foreseen, title)
            return done
    except LostUpdate as error:
        form = await _overtaken(request, sent, thing, int(last_seen or 0), error)
        if form.meanwhile or again:
            raise NotSaved(form) from error
        # What moved is nothing that this form shows.
        fresh = [(name, value) for name, value in sent.multi_items() if name != "seen"]
        fresh.append(("seen", form.text("seen")))
        return await save(
            request, actor, FormData(fresh), thing, deed, secret_fields=secret_fields, title=title, again=True
        )
    except Refused as error:
        raise NotSaved(Form.refused(sent, error)) from error


async def _overtaken(request: Request, sent: FormData, thing: Thing, last_seen: int, error: LostUpdate) -> Form:
    """Give the form as it was filled in, with who changed what meanwhile."""
    async with installation(request).snapshot() as work:
        versions = await configuration.since(work, thing.noun, thing.name, last_seen)
        seen = await thing.seen(work)
    form = Form.refused(sent, error)
    shown = {*sent, *sent.getlist("shown")}
    meanwhile: dict[str, Meanwhile] = {}
    for each in versions:  # the earliest first
        for change in each.changes:
            name = each.name if thing.noun == "setting" else change.field.rpartition(".")[2]
            if name not in shown:
                continue
            earlier = meanwhile.get(name)
            was = earlier.was if earlier else change.before
            meanwhile[name] = Meanwhile(name, was, change.after, each.who, each.at, untouched=form.stands(name, was))
    told = tuple(meanwhile.values())
    return replace(form, values={**form.values, "seen": seen}, wrong={} if told else form.wrong, meanwhile=told)


def _purpose(request: Request) -> str:
    """What was typed into one form is good for no other."""
    return f"panel.form {request.url.path}"


def show_preview(request: Request, error: Exception) -> Response:
    """Show what a save does, with buttons to do it and to type more."""
    if not isinstance(error, ToBeConfirmed):
        raise error
    typed = [(name, value) for name, value in error.sent.multi_items() if isinstance(value, str)]
    sealed = installation(request).master_key.seal(urlencode(typed).encode(), _purpose(request))
    return page(
        request,
        "preview.html",
        error.actor,
        title=error.title or "Save these changes?",
        versions=error.versions,
        foreseen=error.foreseen,
        sealed=b64encode(sealed.octets).decode(),
        action=request.url.path,
    )
