"""Pages by e-mail: plain text over SMTP, from addresses that say which message a reply or a bounce is about."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from email.utils import format_datetime
from types import MappingProxyType

import aiosmtplib

from contacts.addresses import ChannelKind
from incidents.errors import NotificationError, OutcomeUnknown, ProviderUnavailable, Undeliverable
from notifications.channel import Message, Sent
from notifications.connections import CONNECT_SECONDS
from notifications.email_account import EmailAccount
from notifications.email_status import status_of
from notifications.email_tokens import MailAddresses, Sign

_AT_ONCE = 20  # connections; Postfix gives one client 50 (smtpd_client_connection_count_limit) and refuses the others
_NEEDS_LOGIN = 530
_GOODBYE_SECONDS = 0.5
_THREAD = re.compile(r"(?P<name>In-Reply-To|References): (?P<ids><[^<>\s]{1,900}>(?: <[^<>\s]{1,900}>)*)")
_ADDRESS = re.compile(r"<?[^\s<>]+@[^\s<>]+>?")


class EmailChannel:
    """One mail a message. There are no receipts: the server's acceptance counts, and a later bounce is a failure."""

    kind = ChannelKind.EMAIL
    gives_receipts = False

    def __init__(self, account: EmailAccount, *, sign: Sign, now: Callable[[], datetime]) -> None:
        """`sign` proves our own addresses (see email_tokens); `now` dates the mail."""
        self.two_way = account.hears
        self._account = account
        self._addresses = MailAddresses(account.from_address, sign)
        self._now = now
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def send(self, message: Message) -> Sent:
        """See Channel.send. The provider id is the Message-ID, which a second copy has too."""
        names = message.incident, message.code, message.message_id
        mail = compose(message, self._addresses, self._now(), two_way=self.two_way)
        await self._hand_over(self._addresses.return_path(*names), message.to, mail.as_bytes(policy=MAIL))
        return Sent(provider_id=self._addresses.header_id(*names))

    async def recover(self, message: Message) -> Sent | None:
        """Unknown: nobody can ask a mail server what it has accepted. A copy has the same Message-ID."""
        return None

    async def cancel(self, provider_id: str) -> None:
        """Nothing: a mail cannot be called back."""

    async def close(self) -> None:
        """Nothing: every mail has a connection of its own."""

    async def _hand_over(self, sender: str, recipient: str, content: bytes) -> None:
        client = self._client()
        leaving = False  # from here on the server may have it without our knowing
        try:
            async with asyncio.timeout(self._account.timeout_seconds), self._room:
                await client.connect(timeout=min(CONNECT_SECONDS, self._account.timeout_seconds))
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
                reports = client.supports_extension("dsn")
                await client.mail(sender, options=["RET=HDRS"] if reports else [])
                await client.rcpt(recipient, options=["NOTIFY=FAILURE"] if reports else [])
                leaving = True
                await client.data(content)
            await _goodbye(client)
        except aiosmtplib.SMTPException as error:
            raise _what_became_of_it(error, leaving=leaving) from error
        except (OSError, TimeoutError) as error:  # a certificate that is not trusted is a ValueError too: this first
            raise _lost(error, leaving=leaving) from error
        except ValueError as error:
            raise Undeliverable("This address cannot be written in SMTP.") from error
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        account = self._account
        return aiosmtplib.SMTP(
            hostname=account.smtp_host,
            port=account.smtp_port,
            username=account.smtp_user,
            password=account.smtp_password,
            use_tls=account.smtp_security == "tls",
            start_tls=account.smtp_security == "starttls",
            local_hostname=self._addresses.domain,  # else the library asks the DNS for our name, and waits
            timeout=account.timeout_seconds,
        )


async def _goodbye(client: aiosmtplib.SMTP) -> None:
    """Politeness: the mail is theirs already, whatever becomes of this."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=_GOODBYE_SECONDS)


def compose(message: Message, addresses: MailAddresses, now: datetime, *, two_way: bool) -> EmailMessage:
    """The mail as it leaves. The text's first line is the subject; lines between it and the blank one only thread."""
    names = message.incident, message.code, message.message_id
    subject, thread, body = split(message.text)
    mail = EmailMessage(policy=MAIL)
    mail["From"] = f"Tocsin <{addresses.own}>"
    mail["To"] = message.to
    if two_way:
        mail["Reply-To"] = f"Tocsin <{addresses.reply_to(*names)}>"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = addresses.header_id(*names)
    for name, ids in thread.items():
        mail[name] = ids
    # https://www.rfc-editor.org/rfc/rfc3834#section-5: no vacation answers; and Exchange's own way to say so, which
    # names everything but the bounce (NDR): that one we want.
    mail["Auto-Submitted"] = "auto-replied" if thread else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "DR, RN, NRN, OOF, AutoReply"
    if message.kind == "page":
        mail["Importance"] = "high"
    mail.set_content(body, charset="utf-8", cte="quoted-printable")
    return mail


def split(text: str) -> tuple[str, Mapping[str, str], str]:
    """Subject, In-Reply-To and References, body. A text of one line is its own subject."""
    head, _, body = text.partition("\n\n")
    subject, *more = head.split("\n")
    threads = [found for line in more if (found := _THREAD.fullmatch(line)) is not None]
    if len(threads) < len(more):  # not a head at all: nothing of it may get lost
        return subject, MappingProxyType({}), text
    return subject, {found["name"]: found["ids"] for found in threads}, body or subject


def without_addresses(text: str) -> str:
    """An error of our own side (a certificate, a name) without addresses; one line of at most 200 characters."""
    return " ".join(_ADDRESS.sub("the address", text).split())[:200]


def _what_became_of_it(error: aiosmtplib.SMTPException, *, leaving: bool) -> NotificationError:
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return _lost(error, leaving=leaving)
    # Only its numbers are kept: its words may name somebody, and they would stand in the incident for ever.
    said = f"{error.code} {status_of(error.message)}".strip() if error.code > 0 else "no code"
    if 400 <= error.code < 500:
        return ProviderUnavailable(f"The mail server asks to wait: {said}.", passing=True)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) or error.code == _NEEDS_LOGIN:
        return ProviderUnavailable(f"The mail server refuses our credentials: {said}.")
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError) and error.code >= 500:
        return Undeliverable(f"The mail server refuses this address or mail: {said}.")
    if leaving:  # neither yes nor no
        return OutcomeUnknown(f"The mail server answered with something that cannot be read: {said}.")
    return ProviderUnavailable(f"The mail server refuses us: {said}.")


def _lost(error: Exception, *, leaving: bool) -> NotificationError:
    named = without_addresses(str(error)) or type(error).__name__
    if leaving:
        return OutcomeUnknown(f"The mail server did not answer: {named}.")
    return ProviderUnavailable(f"The mail server cannot be used: {named}.")
