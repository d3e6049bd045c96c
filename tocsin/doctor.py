"""Examines an installation: what would keep a page from leaving, or an answer from arriving, said before it matters."""

import imaplib
import os
import shutil
import smtplib
import socket
import ssl
import stat
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from contacts.addresses import PROVIDERS, ChannelKind
from contacts.directory import Directory
from engine.client import Address, SyncEngineClient
from engine.client import status as status_request
from engine.home import Home, HomeUnusable
from incidents.errors import EngineUnreachable, PlanInvalid, TocsinError
from notifications.email_account import EmailAccount
from runbooks.loader import load_plan
from storage.migrate import HEAD, current_revision
from tocsin.settings import Settings, TwilioSettings

ROOM_WANTED, ROOM_NEEDED = 1024**3, 256 * 1024**2
"""Bytes that ought to be free, and that must be: the ballast alone takes 64 MB."""
PATIENCE = 3.0


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    verdict: Verdict
    sentence: str


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in a fixed order. Changes nothing; never raises for what is wrong."""
    directory, plan_findings = _plan(settings)
    return [
        *_home(settings.home),
        *_database(Home(settings.home)),
        *plan_findings,
        *_engine(settings),
        *_prefect(settings),
        *_twilio(settings, directory),
        *_slack(settings, directory),
        *_email(settings, directory),
        *_push(settings, directory),
        *_webhook(settings, directory),
        *_apprise(settings, directory),
        *_providers(settings, directory),
        *_unreachable(settings, directory),
        *_outside(settings),
    ]


def _ok(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.OK, sentence)


def _warn(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.WARN, sentence)


def _fail(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.FAIL, sentence)


# --- this machine ---


def _home(path: Path) -> Iterator[Finding]:
    if not path.is_dir():
        yield _warn("home", f"{path} is not there yet; the first start makes it.")
        path = next((each for each in path.absolute().parents if each.is_dir()), Path("/"))
    else:
        try:
            Home(path).prepare()
        except HomeUnusable as error:
            yield _fail("home", str(error))
        if not os.access(path, os.W_OK | os.X_OK):
            yield _fail("home", f"{path} cannot be written.")
        elif open_to := _open_to_others(path):
            yield _fail("home", f"{path} is open to {open_to}: chmod 700 {path}")
        else:
            yield _ok("home", f"{path} is ours alone.")
        home = Home(path)
        private = (home.token_file, home.secret_file, home.push_key_file, *sorted(path.glob(f"{home.database.name}*")))
        for secret in private:
            if secret.exists() and (open_to := _open_to_others(secret)):
                yield _fail("home", f"{secret} can be read by {open_to}: chmod 600 {secret}")
    free = shutil.disk_usage(path).free
    room = f"{free // 1024**2} MB are free."
    if free < ROOM_NEEDED:
        yield _fail("disk", f"Only {room}")
    elif free < ROOM_WANTED:
        yield _warn("disk", f"Only {room}")
    else:
        yield _ok("disk", room)


def _open_to_others(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return "everybody" if mode & 0o007 else "its group" if mode & 0o070 else ""


def _database(home: Home) -> Iterator[Finding]:
    if not home.database.exists():
        return
    revision = current_revision(home.database)
    if revision == HEAD:
        yield _ok("database", f"Schema {revision}.")
    elif revision is not None and revision > HEAD:
        yield _fail("database", f"Schema {revision} is of a newer Tocsin; this one knows {HEAD}.")
    else:
        yield _warn("database", "The schema is older; the next start brings it up to date.")


def _plan(settings: Settings) -> tuple[Directory | None, list[Finding]]:
    if settings.plan is None:
        return None, [_fail("plan", "Which plan is not said: --plan DIR or TOCSIN_PLAN.")]
    try:
        loaded = load_plan(settings.plan)
    except PlanInvalid as error:
        return None, [_fail("plan", problem) for problem in error.problems]
    warnings = [_warn("plan", each) for each in loaded.warnings]
    return loaded.directory, [*warnings, _ok("plan", f"The plan in {settings.plan} can be used.")]


# --- the processes ---


def _engine(settings: Settings) -> Iterator[Finding]:
    try:
        client = SyncEngineClient(Address.of_home(settings.home))
        state = client.ask(status_request())
    except EngineUnreachable as error:
        yield _fail("engine", str(error))
        yield from _port("engine", settings.host, settings.port, "TOCSIN_PORT")
        return
    except TocsinError as error:
        yield _fail("engine", str(error))
        return
    if state["can_page"]:
        yield _ok("engine", f"{client.address.url} is ready to page.")
    else:
        yield _fail("engine", f"{client.address.url} cannot page: {state.get('not_ready')}.")
    for incident, because in dict(state.get("quarantined") or {}).items():
        yield _fail("engine", f"{incident} is set aside, its log cannot be read: {because}")
    if state.get("disk_full"):
        yield _fail("engine", "The disk is full: signals are refused.")
    workers = state.get("workers") or {}
    yield (_ok if workers else _warn)("worker", str(state["prefect"]))


def _port(name: str, host: str, port: int, variable: str) -> Iterator[Finding]:
    if taken(host, port):
        yield _fail(name, f"Port {port} is taken by another program; choose one with {variable}.")


def taken(host: str, port: int) -> bool:
    """Whether somebody listens there already (or we may not)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _prefect(settings: Settings) -> Iterator[Finding]:
    given = os.environ.get("PREFECT_API_URL")
    url = (given or f"http://127.0.0.1:{settings.prefect_port}/api").rstrip("/")
    opener = urllib.request.build_opener(*(() if given else (urllib.request.ProxyHandler({}),)))
    try:
        with opener.open(f"{url}/health", timeout=PATIENCE):
            yield _ok("prefect", f"{url} answers.")
    except (OSError, ValueError) as error:
        if given is None and taken("127.0.0.1", settings.prefect_port):
            yield _fail("prefect", f"Port {settings.prefect_port} is taken by another program: TOCSIN_PREFECT_PORT.")
            return
        yield _warn("prefect", f"{url} does not answer ({_reason(error)}); the engine performs without it.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "")) or str(error) or type(error).__name__


# --- the world outside ---


def _twilio(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    """The first account, and each that TOCSIN_TWILIO_ACCOUNTS names."""
    kinds = tuple(kind for kind in _CARRIED_BY_TWILIO if directory is None or "twilio" in directory.providers_of(kind))
    wanted = _wanting(directory, kinds)
    yield from _account("twilio", "TOCSIN_TWILIO", settings.twilio, wanted, settings.public_url)
    for name, account in settings.twilio_accounts.items():
        check = f"twilio {provider_name(name)}"
        yield from _account(check, _variable_of(name), account, [], settings.public_url)


_CARRIED_BY_TWILIO = (ChannelKind.SMS, ChannelKind.VOICE)


def _account(
    check: str, variable: str, account: TwilioSettings, wanted_by: list[str] | None, public_url: str | None
) -> Iterator[Finding]:
    missing = _missing(_parts(variable, account))
    yield from _credentials(check, _parts(variable, account), wanted_by)
    if missing:
        return
    if public_url is None:
        yield _fail(check, _DEAF.format("set TOCSIN_PUBLIC_URL to the address by which it reaches us"))
    else:
        yield _ok(check, _READY)


def _parts(variable: str, account: TwilioSettings) -> dict[str, object]:
    return {
        f"{variable}__ACCOUNT_SID": account.account_sid,
        f"{variable}__AUTH_TOKEN": account.auth_token,
        f"{variable}__FROM_NUMBER": account.from_number,
    }


def provider_name(name: str) -> str:
    """What contacts.yaml calls the account that a variable names: TOCSIN_TWILIO_ACCOUNTS__EU_2__... is `eu-2`."""
    return name.lower().replace("_", "-")


def _variable_of(provider: str) -> str:
    return f"TOCSIN_TWILIO_ACCOUNTS__{provider.upper().replace('-', '_')}"


def _slack(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    """Answers come by Socket Mode, with the app token, or to the public URL, signed with the signing secret."""
    slack = settings.slack
    by_http = {"TOCSIN_SLACK__SIGNING_SECRET": slack.signing_secret, "TOCSIN_PUBLIC_URL": settings.public_url}
    if not slack.bot_token and not slack.app_token and not slack.signing_secret:
        yield from _credentials("slack", {"TOCSIN_SLACK__BOT_TOKEN": None}, _wanting(directory, (ChannelKind.SLACK,)))
    elif not slack.bot_token:
        yield _fail("slack", "Half configured: TOCSIN_SLACK__BOT_TOKEN missing.")
    elif slack.app_token:
        yield _ok("slack", f"{_READY} Answers come by Socket Mode.")
    elif missing := _missing(by_http):
        yield _fail("slack", _DEAF.format(f"set {' and '.join(missing)}, or TOCSIN_SLACK__APP_TOKEN for Socket Mode"))
    else:
        yield _ok("slack", _READY)


def _email(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    mail = settings.email
    parts = {"TOCSIN_EMAIL__SMTP_HOST": mail.smtp_host, "TOCSIN_EMAIL__FROM_ADDRESS": mail.from_address}
    yield from _credentials("e-mail", parts, _wanting(directory, (ChannelKind.EMAIL,)))
    account = mail.account()
    if account is None:
        return
    server = f"{account.smtp_host}:{account.smtp_port}"
    trouble = _smtp_trouble(account)
    if trouble is None:
        login = "and takes our login" if account.smtp_user else "and wants no login of us"
        yield _ok("e-mail", f"{server} answers {login}.")
    else:
        yield _fail("e-mail", f"{server} cannot be used: {trouble}")
    if not account.hears:
        yield _warn("e-mail", "One-way, no reply and no bounce comes in: set TOCSIN_EMAIL__LMTP_PORT or __IMAP_HOST.")
    if account.lmtp_port is not None:
        yield _ok("e-mail", f"Replies and bounces are expected by LMTP on {account.lmtp_host}:{account.lmtp_port}.")
    if account.imap_host is not None:
        trouble = _imap_trouble(account)
        mailbox = f"{account.imap_folder} on {account.imap_host}:{account.imap_port}"
        if trouble is None:
            yield _ok("e-mail", f"Replies and bounces are read from {mailbox}.")
        else:
            yield _fail("e-mail", f"{mailbox} cannot be read: {trouble}")


def _smtp_trouble(account: EmailAccount) -> str | None:
    """Why no mail could be handed over now, or None. Logs in, sends nothing."""
    context = ssl.create_default_context()
    try:
        if account.smtp_security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                account.smtp_host, account.smtp_port, _OUR_NAME, timeout=PATIENCE, context=context
            )
        else:
            client = smtplib.SMTP(account.smtp_host, account.smtp_port, _OUR_NAME, timeout=PATIENCE)
        with client:
            if account.smtp_security == "starttls":
                client.starttls(context=context)
            if account.smtp_user:
                client.login(account.smtp_user, account.smtp_password or "")
    except (OSError, smtplib.SMTPException) as error:
        return _one_line(error)
    return None


_OUR_NAME = "localhost"
"""Else the library asks the DNS for our name, and waits."""


def _imap_trouble(account: EmailAccount) -> str | None:
    """Why replies could not be read now, or None. Marks nothing as read."""
    context = ssl.create_default_context()
    host, port = account.imap_host or "", account.imap_port
    try:
        if account.imap_security == "tls":
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=PATIENCE)
        else:
            client = imaplib.IMAP4(host, port, timeout=PATIENCE)
        with client:
            if account.imap_security == "starttls":
                client.starttls(context)
            client.login(account.imap_user, account.imap_password)
            said, _ = client.select(f'"{account.imap_folder}"', readonly=True)
    except (OSError, imaplib.IMAP4.error) as error:
        return _one_line(error)
    return None if said == "OK" else f"there is no folder {account.imap_folder}"


def _one_line(error: Exception) -> str:
    answer = getattr(error, "smtp_error", None) or (error.args[0] if error.args and len(error.args) == 1 else None)
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else _reason(error)
    return " ".join(text.split())[:200]


def _push(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    wanted = _wanting(directory, (ChannelKind.PUSH,))
    if settings.channels().push_subject is None:
        what = {"TOCSIN_PUSH__SUBJECT (or a TOCSIN_PUBLIC_URL with https)": None}
        yield from _credentials("push", what, wanted)
    elif settings.public_url is None:
        yield _warn("push", "A push has no link to answer by: TOCSIN_PUBLIC_URL is not set.")
    elif wanted:
        yield _ok(
            "push", f"Configured. Each of these lets a browser ring at {settings.public_url}/push: {_few(wanted)}."
        )
    elif wanted is None:
        yield _warn("push", "Configured. Who has a browser was not looked at: there is no plan that could be read.")
    else:
        yield _ok("push", "Configured; nobody in contacts.yaml has a browser.")


def _webhook(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    parts = {"TOCSIN_WEBHOOK__SECRET": settings.webhook.secret}
    yield from _credentials("webhook", parts, _wanting(directory, (ChannelKind.WEBHOOK,)))
    if settings.webhook.secret is not None:
        if settings.public_url is None:
            yield _warn("webhook", "One-way, the receiver cannot answer: TOCSIN_PUBLIC_URL is not set.")
        else:
            yield _ok("webhook", _READY)


def _apprise(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    """Each name of contacts.yaml has its variable; a variable that nobody uses is said too."""
    known = {name.lower() for name in settings.apprise}
    if directory is None:
        names = (
            f"Configured, one-way: {', '.join(sorted(known))}. Whether anybody uses them was not looked at: no plan."
        )
        yield _warn("apprise", names if known else _UNASKED)
        return
    wanted: dict[str, list[str]] = {}
    for contact in directory.contacts:
        for channel in contact.channels:
            if channel.kind == "apprise":
                wanted.setdefault(channel.to.replace("-", "_"), []).append(contact.id)
    for name, people in wanted.items():
        if name not in known:
            yield _fail("apprise", f"TOCSIN_APPRISE__{name.upper()} is not set; these need it: {_few(people)}.")
    if unused := sorted(known - set(wanted)):
        yield _warn("apprise", f"Nobody in contacts.yaml uses {', '.join(unused)}.")
    if found := sorted(known & set(wanted)):
        yield _ok("apprise", f"Configured, one-way: {', '.join(found)}.")
    elif not known and not wanted:
        yield _ok("apprise", _UNUSED)


# --- contacts.yaml against the settings ---


def _providers(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    """Each provider that contacts.yaml names has its account here."""
    accounts = {provider_name(name): account for name, account in settings.twilio_accounts.items()}
    for kind, names in {} if directory is None else directory.providers.items():
        for name in names:
            if name == PROVIDERS[kind]:
                continue
            if kind not in _CARRIED_BY_TWILIO:
                yield _fail("providers", f"{kind} through {name}: Tocsin has only {PROVIDERS[kind]} for {kind}.")
            elif missing := _missing(_parts(_variable_of(name), accounts.get(name, TwilioSettings()))):
                yield _fail("providers", f"{kind} through {name}: {', '.join(missing)} missing.")
            else:
                yield _ok("providers", f"{kind} through {name}: set up.")


def _unreachable(settings: Settings, directory: Directory | None) -> Iterator[Finding]:
    """Who has no channel at all that this installation can use: no page will ever reach them."""
    usable = configured(settings)
    lost = [
        each.id
        for each in (() if directory is None else directory.contacts)
        if each.channels and not any(channel.kind in usable for channel in each.channels)
    ]
    if lost:
        yield _fail("contacts", f"NOBODY CAN REACH THEM, none of their channels is configured: {_few(lost)}.")


def configured(settings: Settings) -> frozenset[ChannelKind]:
    """The kinds of channel that an engine with these settings has."""
    channels = settings.channels()
    there = {
        ChannelKind.CONSOLE: True,
        ChannelKind.SMS: channels.has_twilio or bool(channels.other_twilios),
        ChannelKind.VOICE: channels.has_twilio or bool(channels.other_twilios),
        ChannelKind.SLACK: channels.has_slack,
        ChannelKind.EMAIL: channels.email is not None,
        # Its key is made when the engine starts.
        ChannelKind.PUSH: channels.push_subject is not None,
        ChannelKind.WEBHOOK: bool(channels.webhook_keys),
        ChannelKind.APPRISE: bool(channels.apprise_urls),
    }
    return frozenset(kind for kind, is_there in there.items() if is_there)


_READY = "Configured. `tocsin test-page` proves that it arrives."
_UNUSED = "Not configured, and nobody in contacts.yaml needs it."
_UNASKED = "Not configured. Whether anybody needs it was not looked at: there is no plan that could be read."
_DEAF = "ANSWERS CANNOT ARRIVE: {}."


def _credentials(check: str, parts: Mapping[str, object], wanted_by: list[str] | None) -> Iterator[Finding]:
    """What is missing of a channel's settings; nothing when all is there. `wanted_by` None: there is no plan."""
    missing = _missing(parts)
    if missing and len(missing) < len(parts):
        yield _fail(check, f"Half configured: {', '.join(missing)} missing.")
    elif missing and wanted_by:
        unset = ", ".join(missing)
        yield _warn(check, f"Not configured ({unset}), but these are to be paged by it: {_few(wanted_by)}.")
    elif missing:
        yield _warn(check, _UNASKED) if wanted_by is None else _ok(check, _UNUSED)


def _missing(parts: Mapping[str, object]) -> list[str]:
    return [name for name, value in parts.items() if not value]


def _few(people: list[str]) -> str:
    more = len(people) - _NAMED
    return ", ".join(people[:_NAMED]) + (f" and {more} more" if more > 0 else "")


_NAMED = 10


def _wanting(directory: Directory | None, kinds: tuple[ChannelKind, ...]) -> list[str] | None:
    """Who has such a channel; None when there is no plan that says it."""
    if directory is None:
        return None
    return [each.id for each in directory.contacts if any(channel.kind in kinds for channel in each.channels)]


def _outside(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None:
        yield _warn("public URL", "TOCSIN_PUBLIC_URL is not set: no links in pages, no answers from providers.")
    elif settings.public_url.startswith("http://"):
        yield _warn("public URL", f"{settings.public_url} is not encrypted; see docs/operations.md.")
    else:
        yield _ok("public URL", settings.public_url)
    if settings.heartbeat_url is None:
        yield _warn("heartbeat", "TOCSIN_HEARTBEAT_URL is not set: nobody outside notices when Tocsin is dead.")
    else:
        yield _ok("heartbeat", "An outside watch hears from us every 30 s.")
