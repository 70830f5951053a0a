"""Pages from templates: the whole page, or only its part when htmx asks for that."""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pydantic import BaseModel

from appliance import __version__
from appliance.installation import Actor
from appliance.models import Scope
from appliance.models.columns import now
from appliance.wording import octets, text
from webui import access_policy, navigation, remedies, zone
from webui.forms import Form

HERE: Final = Path(__file__).parent
NOTE: Final = "__Host-coati-note"
SCHEME: Final = "__Host-coati-scheme"
SCHEMES: Final = ("system", "light", "dark")

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_MONTH_SECONDS: Final = 2_629_800  # of the Julian year
_COUNTED_IN_DAYS: Final = 3 * _MONTH_SECONDS


def since(moment: datetime | None) -> Markup:
    """Give how long ago it was, with the exact time to be hovered for."""
    if moment is None:
        return Markup("-")
    ago = (now() - moment).total_seconds()
    words = f"in {duration(-ago)}" if ago < -1 else f"{duration(ago)} ago"
    return Markup('<time datetime="{}" title="{} {}">{}</time>').format(
        moment.isoformat(), _on_the_clock(moment), zone.name(), words
    )


def moment(at: datetime | None, *, brief: bool = False) -> Markup:
    """Give a point in time in the reader's zone, which is hovered for."""
    if at is None:
        return Markup("-")
    words = f"{zone.local(at):%-d %b %H:%M}" if brief else _on_the_clock(at)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), zone.name(), words)


def value(shown: object) -> str:
    """Give a value as people read it; a point in time in the reader's zone."""
    return _on_the_clock(shown) if isinstance(shown, datetime) else text(shown)


def _on_the_clock(at: datetime) -> str:
    return f"{zone.local(at):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Give a span of time in its largest unit; what is long, in months and then in years."""
    whole = max(0, int(seconds))
    if whole >= _COUNTED_IN_DAYS:
        months = whole // _MONTH_SECONDS
        return f"{months} months" if months < 36 else f"{months // 12} years"
    return next((f"{whole // size} {unit}" for size, unit in _UNITS if whole >= size), "0 s")


def rate(octets_a_second: float) -> str:
    """Give a rate in bits a second, in SI units."""
    value = octets_a_second * 8
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bit/s" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} Gbit/s"


@cache
def static(name: str) -> str:
    """Give the address of a file of ours, with the sum of its octets."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def address(request: Request, **changed: object) -> str:
    """Give the address of this page with some of its query changed; ``None`` and ``""`` leave a part out."""
    query: dict[str, object] = dict(request.query_params) | changed
    words = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return request.url.path + (f"?{words}" if words else "")


def is_part(request: Request) -> bool:
    """Tell whether htmx asks for the live block of a page that is there already."""
    return request.headers.get("hx-request-type") == "partial"


def narrows(wanted: BaseModel) -> bool:
    """Tell whether a filter leaves something out: an empty list is no empty house then."""
    return bool(wanted.model_dump(exclude_defaults=True).keys() - {"sort", "which", "all"})


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["place"] = remedies.place
    made.filters.update(in_units=access_policy.in_units, attribute=access_policy.label, said_of=access_policy.value)
    made.filters.update(past=lambda at: at <= now(), narrows=narrows)
    made.filters.update(text=value, octets=octets, since=since, moment=moment, duration=duration, rate=rate)
    made.globals.update(version=__version__, static=static, sections=navigation.SECTIONS, zone=zone.name)
    # Global, so that a block can be rendered without the page around it.
    made.globals["ui"] = made.get_template("macros.html").module
    return made


_templates: Final = _environment()
_macros: Final[Any] = _templates.globals["ui"]


def page(
    request: Request, template: str, actor: Actor | None = None, *, code: int = HTTPStatus.OK, **content: object
) -> HTMLResponse:
    """Give a page, or its live block (else its content) when htmx asks for a part."""
    loaded = _templates.get_template(template)
    if hidden := content.keys() & _templates.globals.keys():
        raise ValueError(f"{template} is given what every page has: {', '.join(sorted(hidden))}")
    note = unquote(request.cookies.get(NOTE, ""))
    scheme = request.cookies.get(SCHEME, "")
    values = {
        "request": request,
        "who": actor.who.removeprefix("administrator ") if actor else "",
        "scheme": scheme if scheme in SCHEMES else SCHEMES[0],
        "note": note,
        "may": _may(actor),
        "here": address(request),
        "url": lambda **changed: address(request, **changed),
        "form": Form(),
        "proven": getattr(request.state, "proven", False),
        "api": "",
        **content,
    }
    html: str
    if is_part(request):
        block = loaded.blocks.get("live") or loaded.blocks["content"]
        html = Markup("").join(map(Markup, block(loaded.new_context(values))))
        if note:
            html += Markup('<hx-partial hx-target="#note" hx-swap="innerHTML">{}</hx-partial>').format(note)
        if values["api"] and urlsplit(request.headers.get("hx-current-url", "")).path == request.url.path:
            # The page itself, narrowed otherwise: what it says of the API follows.
            call = _macros.api_call(request.base_url, values["api"])
            html += Markup('<hx-partial hx-target="#api-call" hx-swap="innerHTML">{}</hx-partial>').format(call)
    else:
        html = loaded.render(values)
    answer = HTMLResponse(html, code)
    if note:
        answer.delete_cookie(NOTE, secure=True, httponly=True, samesite="strict", path="/")
    return answer


def _may(actor: Actor | None) -> Callable[[str], bool]:
    """Give what templates ask before they show a deed: ``may("write")``."""
    return lambda needed: actor is not None and actor.scope.includes(Scope(needed))


def back(path: str, note: str = "") -> RedirectResponse:
    """Go to a page after a deed; the note says there what was done."""
    answer = RedirectResponse(path, HTTPStatus.SEE_OTHER)
    if note:
        answer.set_cookie(NOTE, quote(note), max_age=60, secure=True, httponly=True, samesite="strict", path="/")
    return answer


def confirmation(
    request: Request,
    actor: Actor,
    *,
    title: str,
    text: str,
    button: str,
    back_to: str,
    typed: str = "",
    choices: Iterable[tuple[str, str]] = (),
    options: Iterable[tuple[str, str]] = (),
    option: tuple[str, str] = ("reason", "Why"),
    hidden: Iterable[tuple[str, str]] = (),
    wrong: str = "",
    action: str = "",
) -> HTMLResponse:
    """Ask before something that cannot be undone: a page, which a script shows as a dialog.

    Args:
        request: For this page; its own path is where the answer goes, unless ``action`` says another.
        actor: Who is asked.
        title: The question.
        text: What will happen.
        button: The deed.
        back_to: Where who changes the mind goes.
        typed: What has to be typed, if the deed is irreversible.
        choices: Boxes to check: name and words.
        options: Values and words of what has to be chosen.
        option: The name under which that goes along, and its label.
        hidden: Fields that go along.
        wrong: Why it was not done.
        action: Where the answer goes.
    """
    return page(
        request,
        "confirm.html",
        actor,
        code=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        title=title,
        explanation=text,
        button=button,
        back_to=back_to,
        typed=typed,
        choices=list(choices),
        options=list(options),
        option=option[0],
        asked=option[1],
        hidden=list(hidden),
        wrong=wrong,
        action=action or request.url.path,
    )


def pretty(value: object) -> str:
    """Give JSON that people read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
