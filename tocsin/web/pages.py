"""The pages for people: open incidents, one incident, declare, log in. GET changes nothing; no script."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from engine import heard
from engine.clock import from_stamp
from engine.services import Engine
from engine.status import prefect_sentence
from engine.view import questions_view, row_view, stamp
from incidents import commands as c
from incidents.errors import CommandRefused, Overloaded, TocsinError, UnknownIncident
from incidents.ids import parse_incident_id
from incidents.severity import Severity
from incidents.state import Incident
from signals.pictures import crossing, of_assessment, svg
from storage import log as incident_log
from storage import mentions as store
from tocsin import words
from tocsin.web.sessions import (
    Visitor,
    by_link,
    form_is_ours,
    form_token,
    sign_in,
    sign_out,
    signed_in,
    token_matches,
)

_HERE = Path(__file__).parent
LONGEST_FORM = 64 * 1024
FORM = ("title", "situation", "severity", "because", "once")
LONGEST_TITLE, LONGEST_TEXT = 200, 4000
SHOWN = 200
"""Incidents on the list; more than that is read with `tocsin status`."""
MENTIONS = 50
"""Mentions on one page of what is heard."""
WAITING = 20
"""Customers who wait, on the same page."""
SHOWN_REASONS = 5
"""Latest assessments on an incident's page, besides the first."""
_SAID: Mapping[str, Literal["yes", "no", "call"]] = {"yes": "yes", "no": "no", "call": "call"}
NOT_FOR_YOU = "This page is not for you."
SECURE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[Request], Awaitable[Response]]
Make = Callable[[Incident, datetime], c.Command]


def routes(engine: Engine) -> list[BaseRoute]:
    """Every page of one engine, for the application to mount."""
    pages = Pages(engine)
    return [
        Route("/", pages.incidents, methods=["GET"]),
        Route("/heard", pages.heard, methods=["GET"]),
        Route("/login", pages.login_form, methods=["GET"]),
        Route("/login", pages.login, methods=["POST"]),
        Route("/logout", pages.logout, methods=["POST"]),
        Route("/declare", pages.declare_form, methods=["GET"]),
        Route("/declare", pages.declare, methods=["POST"]),
        Route("/incidents/{incident_id}", pages.incident, methods=["GET"]),
        Route("/incidents/{incident_id}/acknowledge", pages.acknowledge, methods=["POST"]),
        Route("/incidents/{incident_id}/pass", pages.hand_on, methods=["POST"]),
        Route("/incidents/{incident_id}/say", pages.say, methods=["POST"]),
        Route("/incidents/{incident_id}/impact", pages.impact_form, methods=["GET"]),
        Route("/incidents/{incident_id}/impact", pages.impact, methods=["POST"]),
        Route("/incidents/{incident_id}/stand-down", pages.stand_down_form, methods=["GET"]),
        Route("/incidents/{incident_id}/stand-down", pages.stand_down, methods=["POST"]),
        Route("/static/tocsin.css", _style, methods=["GET"]),
    ]


class Pages:
    """One handler a page. Whoever may not see one gets the login or a plain refusal, never a stack trace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            finalize=_printable,
        )

    # --- the list ---

    async def incidents(self, request: Request) -> Response:
        visitor = signed_in(self._engine, request)
        if visitor is None:
            return self._to_login(request)
        rows = await self._engine.database.read(lambda tx: incident_log.open_rows_for(tx, visitor.contact, SHOWN))
        return self._page("incidents.html", visitor, incidents=[row_view(row) for row in rows])

    # --- what is heard ---

    async def heard(self, request: Request) -> Response:
        """How each brand stands, who waits, which source fails, and what people write. `?before=` shows older."""
        visitor = signed_in(self._engine, request)
        if visitor is None:
            return self._to_login(request)
        before = request.query_params.get("before", "")
        older = int(before) if before.isascii() and before.isdigit() and 0 < len(before) <= 15 else None
        page = await heard.mentions_of(self._engine, None, older, MENTIONS)
        waiting = await heard.cases_of(self._engine, waiting=True, limit=WAITING)
        return self._page(
            "heard.html",
            visitor,
            brands=(await heard.brands_of(self._engine))["brands"],
            trouble=await self._engine.database.read(lambda tx: heard.in_trouble(self._engine, store.stands(tx))),
            waiting=waiting,
            mentions=page["mentions"],
            older=page["before"],
            first=older is None,
        )

    # --- one incident ---

    async def incident(self, request: Request) -> Response:
        incident_id = parse_incident_id(request.path_params["incident_id"])
        contact, signature = request.query_params.get("c", ""), request.query_params.get("s", "")
        visitor = self._visitor(request, incident_id, contact, signature)
        if visitor is None:
            return self._stranger(request, signature)
        if incident_id is None:
            return self._refused(visitor, "There is no such incident.", 404)
        return await self._incident(visitor, incident_id)

    async def acknowledge(self, request: Request) -> Response:
        """ "I take it": takes the calling that the form names, in the name of whoever the link or session names."""
        return await self._answer(
            request, lambda who, form: _always(c.Acknowledge(who, "web", escalation=_text(form, "escalation") or None))
        )

    async def hand_on(self, request: Request) -> Response:
        """ "I cannot": the next person is paged now."""
        return await self._answer(
            request, lambda who, form: _always(c.Pass(who, escalation=_text(form, "escalation") or None))
        )

    async def say(self, request: Request) -> Response:
        """ "Yes", "No" or "Call me first" to the question that the form names, with the authority behind a yes."""
        return await self._answer(request, self._said)

    def _said(self, who: str, form: FormData) -> Make:
        said = _SAID.get(_text(form, "answer"))
        if said is None:
            raise CommandRefused("Answer yes, no or call.")
        return self._engine.grounds.say(who, said, "web", question=_text(form, "question") or None)

    async def _answer(self, request: Request, made: Callable[[str, FormData], Make]) -> Response:
        form = await _form(request)
        incident_id = parse_incident_id(request.path_params["incident_id"])
        visitor = self._visitor(request, incident_id, _text(form, "c"), _text(form, "s"))
        if visitor is None or incident_id is None or not self._may_post(visitor, form):
            return self._refused(None, "This form was not made for you. Open the link from your page again.", 403)
        try:
            make = made(visitor.contact, form)
            await self._engine.command(incident_id, _unless_left_out(visitor.contact, make))
        except UnknownIncident as error:
            return self._refused(visitor, str(error), 404)
        except _NotTheirs:
            return self._refused(None, NOT_FOR_YOU, 403)
        except TocsinError as error:
            if await self._has_no_question(incident_id, _text(form, "question")):
                # Somebody else was quicker: the page itself says who, and what they said.
                return RedirectResponse(_own_page(incident_id, visitor), 303, SECURE)
            return await self._incident(visitor, incident_id, refusal=str(error), status=_status_of(error))
        return RedirectResponse(_own_page(incident_id, visitor), 303, SECURE)

    async def _has_no_question(self, incident_id: str, question: str) -> bool:
        """Whether this question was asked, and can be answered no more."""
        view = await self._engine.show(incident_id)
        asked = next((each for each in view["questions"] if each["id"] == question), None)
        return asked is not None and not words.can_answer(view, asked)

    async def _incident(
        self, visitor: Visitor, incident_id: str, *, refusal: str | None = None, status: int = 200
    ) -> Response:
        try:
            view = await self._engine.show(incident_id)
        except UnknownIncident as error:
            return self._refused(visitor, str(error), 404)
        if visitor.contact in view["implicated"]:
            return self._refused(None, NOT_FOR_YOU, 403)
        names, now, titles = self._names(), self._engine.clock.now(), self._titles(view)
        briefing = await self._engine.brief(incident_id)
        found = await self._engine.database.read(lambda tx: store.assessments_of(tx, incident_id))
        if visitor.session is None:
            view = _without_left_out(view)
        return self._page(
            "incident.html",
            visitor,
            status,
            view=view,
            refusal=refusal,
            bottom_line=_news(briefing.bottom_line, view),
            in_hand=words.in_hand(view, names, visitor.contact),
            calls=words.answers(view, visitor.contact),
            asked=words.questions_for(view, visitor.contact),
            titles=titles,
            lines=words.escalation_plan(view, now, names),
            reasons=_reasons(found),
            timeline=list(reversed(view["timeline"])),
        )

    # --- one incident: forms for whoever is logged in ---

    async def impact_form(self, request: Request) -> Response:
        return await self._sheet(request, "impact.html")

    async def impact(self, request: Request) -> Response:
        """Answers about the impact. The form comes back with what they did: a better one lowers nothing by itself."""

        def made(who: str, form: FormData) -> Make:
            return self._engine.grounds.impact(_impact(form), f"person:{who}")

        return await self._fill(request, "impact.html", made, stays=True)

    async def stand_down_form(self, request: Request) -> Response:
        return await self._sheet(request, "stand-down.html")

    async def stand_down(self, request: Request) -> Response:
        """ "It was nothing": with a reason, and with what the customers are told where they had been told of it."""

        def made(who: str, form: FormData) -> Make:
            return _always(c.StandDown(_words(form, "because"), f"person:{who}", _words(form, "told")))

        return await self._fill(request, "stand-down.html", made)

    async def _sheet(
        self, request: Request, template: str, *, status: int = 200, refusal: str | None = None, said: str | None = None
    ) -> Response:
        visitor, incident_id = signed_in(self._engine, request), parse_incident_id(request.path_params["incident_id"])
        if visitor is None:
            return self._to_login(request)
        try:
            view = await self._engine.show(incident_id or "")
        except UnknownIncident:
            return self._refused(visitor, "There is no such incident.", 404)
        if visitor.contact in view["implicated"]:
            return self._refused(None, NOT_FOR_YOU, 403)
        given = {} if request.method == "GET" else await _form(request)
        return self._page(
            template,
            visitor,
            status,
            view=view,
            given=given,
            refusal=refusal,
            said=said,
            questions=questions_view(self._engine.book.known(view["plan_version"])),
        )

    async def _fill(
        self, request: Request, template: str, made: Callable[[str, FormData], Make], *, stays: bool = False
    ) -> Response:
        """Carry out what a form of `_sheet` asks for; `stays`: show it again with the answer."""
        visitor, incident_id = signed_in(self._engine, request), parse_incident_id(request.path_params["incident_id"])
        form = await _form(request)
        if visitor is None:
            return self._to_login(request)
        if incident_id is None or not self._may_post(visitor, form):
            return self._refused(visitor, "This form is out of date. Open it again.", 403)
        try:
            make = _unless_left_out(visitor.contact, made(visitor.contact, form))
            sentence = await self._engine.command(incident_id, make)
        except _NotTheirs:
            return self._refused(None, NOT_FOR_YOU, 403)
        except TocsinError as error:
            return await self._sheet(request, template, status=_status_of(error), refusal=str(error))
        if stays:
            return await self._sheet(request, template, said=sentence)
        return RedirectResponse(_own_page(incident_id, visitor), 303, SECURE)

    def _titles(self, view: Mapping[str, Any]) -> dict[str, str]:
        """The roles that this incident's pages, people, steps and decisions name, in words."""
        named = {page["reference"].partition("/")[0] for page in view["pages"]} | set(view["roles"])
        named |= {step["owner"] for step in view["steps"]} | {each["decider"] for each in view["decisions"]}
        return {each: title for each in named if (title := self._engine.directory.title_of(each)) is not None}

    # --- declare ---

    async def declare_form(self, request: Request) -> Response:
        visitor = signed_in(self._engine, request)
        return self._to_login(request) if visitor is None else self._declare(visitor, {})

    async def declare(self, request: Request) -> Response:
        visitor = signed_in(self._engine, request)
        if visitor is None:
            return self._to_login(request)
        form = await _form(request)
        if not self._may_post(visitor, form):
            return self._refused(visitor, "This form is out of date. Open it again.", 403)
        given = {name: _text(form, name) for name in FORM}
        impact = _impact(form)
        try:
            incident_id, _ = await self._engine.declare(
                title=_title(given["title"]),
                situation=given["situation"],
                severity=_severity(given["severity"]),
                by=f"person:{visitor.contact}",
                because=(given["because"],) if given["because"] else (),
                impact=impact,
                command_id=f"form-{given['once'][:64]}" if given["once"] else None,
            )
        except TocsinError as error:
            return self._declare(visitor, given, impact, refusal=str(error), status=_status_of(error))
        return RedirectResponse(_own_page(incident_id, visitor), 303, SECURE)

    def _declare(
        self,
        visitor: Visitor,
        given: Mapping[str, str],
        impact: Mapping[str, str] = {},
        *,
        refusal: str | None = None,
        status: int = 200,
    ) -> Response:
        now = self._engine.clock.now()
        once = given.get("once") or self._engine.links.signature("once", now.isoformat(), visitor.contact)
        return self._page(
            "declare.html",
            visitor,
            status,
            given={**dict.fromkeys(FORM, ""), **given, "once": once},
            impact=impact,
            questions=questions_view(self._engine.book.plan),
            refusal=refusal,
            situations=sorted(self._engine.book.plan.situations.items(), key=lambda each: each[1].drill),
            severities=list(Severity),
        )

    # --- log in ---

    async def login_form(self, request: Request) -> Response:
        return self._login(_own_path(request.query_params.get("next", "/")))

    async def login(self, request: Request) -> Response:
        form = await _form(request)
        then, contact = _own_path(_text(form, "next")), _text(form, "contact")
        if not token_matches(self._engine, _text(form, "token")):
            return self._login(then, contact, "This is not the token of this Tocsin.", 403)
        if self._engine.directory.contact(contact) is None:
            return self._login(then, contact, "Choose who you are.", 400)
        response = RedirectResponse(then, 303, SECURE)
        sign_in(self._engine, contact, request, response)
        return response

    async def logout(self, request: Request) -> Response:
        visitor, form = signed_in(self._engine, request), await _form(request)
        if visitor is not None and not self._may_post(visitor, form):
            return self._refused(visitor, "This form is out of date. Open it again.", 403)
        response = RedirectResponse("/login", 303, SECURE)
        sign_out(response)
        return response

    def _login(self, then: str, contact: str = "", refusal: str | None = None, status: int = 200) -> Response:
        return self._page("login.html", None, status, next=then, chosen=contact, refusal=refusal)

    def _to_login(self, request: Request) -> Response:
        asked = request.url.path if request.method == "GET" else "/"
        return RedirectResponse(f"/login?{urlencode({'next': asked})}", 303, SECURE)

    # --- who, and how it looks ---

    def _visitor(self, request: Request, incident_id: str | None, contact: str, signature: str) -> Visitor | None:
        """The link's holder, else the session's. A link that is not right opens nothing, whoever is logged in."""
        if signature or contact:
            return None if incident_id is None else by_link(self._engine, incident_id, contact, signature)
        return signed_in(self._engine, request)

    def _stranger(self, request: Request, signature: str) -> Response:
        if not signature:
            return self._to_login(request)
        return self._refused(None, "This link is not right: it was changed, or made by another Tocsin.", 403)

    def _may_post(self, visitor: Visitor, form: FormData) -> bool:
        """A link's form proves itself by its signature; a session's carries a token of its own."""
        return visitor.signature is not None or form_is_ours(self._engine, visitor, _text(form, "form"))

    def _names(self) -> dict[str, str]:
        return {contact.id: contact.name for contact in self._engine.directory.contacts}

    def _refused(self, visitor: Visitor | None, sentence: str, status: int) -> Response:
        return self._page("refused.html", visitor, status, sentence=sentence)

    def _page(self, template: str, visitor: Visitor | None, status: int = 200, **content: Any) -> Response:
        now, engine = self._engine.clock.now(), self._engine
        text = self._templates.get_template(template).render(
            **content,
            now=now,
            words=words,
            names=self._names(),
            visitor=visitor,
            form=form_token(engine, visitor) if visitor is not None and visitor.session is not None else "",
            banner=None if engine.presence.anybody else prefect_sentence(engine),
            company=engine.book.plan.company,
        )
        return HTMLResponse(text, status, SECURE)


def _reasons(found: Sequence[store.AssessmentRow]) -> list[dict[str, Any]]:
    """Why rules declared it or joined it: the first assessment, and the latest ones. Pictures are SVG of ours."""
    shown = [*found[:1], *found[1:][-SHOWN_REASONS:]]
    return [
        {
            "at": stamp(from_stamp(each.at)),
            "severity": each.severity,
            "because": each.body["because"],
            "pictures": [Markup(svg(crossing(one, each.at))) for one in of_assessment(each.body)],
        }
        for each in shown
    ]


class _NotTheirs(TocsinError):
    """Somebody who is left out of the incident acts on it."""


def _always(command: c.Command) -> Make:
    return lambda _incident, _now: command


def _unless_left_out(contact: str, make: Make) -> Make:
    """The same, for whoever has a part in the incident. Raises _NotTheirs for somebody who is left out of it."""

    def checked(incident: Incident, now: datetime) -> c.Command:
        if contact in incident.implicated:
            raise _NotTheirs(NOT_FOR_YOU)
        return make(incident, now)

    return checked


def _without_left_out(view: Mapping[str, Any]) -> dict[str, Any]:
    """The incident as the holder of a link may see it: not who is left out of it, nor because of whom."""
    told = [_discreet(each) for each in view["timeline"] if each["kind"] != "ContactsImplicated"]
    out = set(view["implicated"])
    questions = [{**each, "to": [who for who in each["to"] if who not in out]} for each in view["questions"]]
    return {**view, "implicated": [], "timeline": told, "questions": questions}


def _discreet(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A rung that was skipped, or a round that began, may say because of whom: then only that it was."""
    telling = entry["kind"] in ("RungSkipped", "EscalationStarted") and (
        "is implicated" in entry["sentence"] or "is left out of it" in entry["sentence"]
    )
    return {**entry, "sentence": entry["sentence"].partition(":")[0]} if telling else entry


def _news(bottom_line: str, view: Mapping[str, Any]) -> str:
    """What the bottom line adds to the page's head, which has severity, title and who has it."""
    rest = bottom_line.removeprefix(f"{view['severity']} {view['title']}").lstrip(": ")
    told = view["commander"] is not None and view["resolved_at"] is None
    return "" if told else rest[:1].upper() + rest[1:]


def _printable(value: Any) -> Any:
    """Senders' texts may hold control characters; a page shows none."""
    if type(value) is str and not value.isprintable():
        return "".join(each if each.isprintable() or each == "\n" else " " for each in value)
    return value


async def _style(_: Request) -> Response:
    text = (_HERE / "static" / "tocsin.css").read_text(encoding="utf-8")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=300"}
    return Response(text, media_type="text/css", headers=headers)


async def _form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=20, max_part_size=LONGEST_FORM)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _words(form: FormData, name: str) -> str:
    text = _text(form, name)
    if len(text) > LONGEST_TEXT:
        raise CommandRefused(f"This has {len(text)} characters; {LONGEST_TEXT} are enough.")
    return text


def _impact(form: FormData) -> dict[str, str]:
    """The questions about the impact that were answered in a form: fields `impact-<question>`."""
    found = {name.removeprefix("impact-"): _text(form, name) for name in form if name.startswith("impact-")}
    return {question: answer for question, answer in found.items() if answer}


def _title(text: str) -> str:
    if not text:
        raise CommandRefused("Say in a few words what is wrong.")
    if len(text) > LONGEST_TITLE:
        raise CommandRefused(f"The title has {len(text)} characters; {LONGEST_TITLE} are enough. Put the rest below.")
    return text


def _severity(text: str) -> Severity | None:
    if not text:
        return None
    if text not in set(Severity):
        raise CommandRefused(f"{text!r} is not a severity; choose SEV1 to SEV4.")
    return Severity(text)


def _status_of(error: TocsinError) -> int:
    return 503 if isinstance(error, Overloaded) else 409


def _own_page(incident_id: str, visitor: Visitor) -> str:
    path = f"/incidents/{quote(incident_id)}"
    if visitor.signature is None:
        return path
    return f"{path}?{urlencode({'c': visitor.contact, 's': visitor.signature})}"


def _own_path(text: str) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the list."""
    own = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text and text.isprintable()
    return text if own else "/"
