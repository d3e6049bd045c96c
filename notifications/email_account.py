"""The mail account: over which server mail leaves, from which address, and how replies and bounces come in."""

from dataclasses import dataclass
from typing import Literal

from notifications.connections import TOTAL_SECONDS

Security = Literal["starttls", "tls", "none"]
"""`none` is for a server on this computer, or behind something else that encrypts."""


@dataclass(frozen=True, slots=True)
class EmailAccount:
    """Replies and bounces come by LMTP or from a mailbox by IMAP, or both; with neither, mail is one-way."""

    from_address: str
    """`pages@example.com`. Mail to `pages+anything@example.com` must arrive where we listen or look."""
    smtp_host: str
    smtp_port: int = 587
    smtp_security: Security = "starttls"
    smtp_user: str | None = None
    smtp_password: str | None = None
    lmtp_host: str = "127.0.0.1"
    lmtp_port: int | None = None
    """Where our own LMTP server listens; the company's mail server hands our mail to it."""
    imap_host: str | None = None
    imap_port: int = 993
    imap_security: Security = "tls"
    imap_user: str = ""
    imap_password: str = ""
    imap_folder: str = "INBOX"
    trusted_results: str | None = None
    """The name in the Authentication-Results of a mail server of ours that checks DMARC; None when there is none."""
    timeout_seconds: float = TOTAL_SECONDS

    @property
    def hears(self) -> bool:
        return self.lmtp_port is not None or self.imap_host is not None
