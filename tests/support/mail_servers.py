"""A Postfix and a Dovecot of our own, on loopback, in one folder: mail arrives, is refused, and bounces for real.

Domains: `people.test` has a mailbox a name in PEOPLE and refuses every other at once (550); `late.test` is taken for
anybody, and Dovecot then refuses whoever is not in PEOPLE, so that Postfix sends a bounce. Our own addresses:
`pages@lmtp.test` is handed to the LMTP server on `lmtp_port`, `pages@imap.test` is a mailbox.
"""

import email
import imaplib
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from tests.support.counterparties import _listening, free_port, wait_until

PASSWORD = "a-mail-password"
PEOPLE = ("ana", "bob", "cleo", "dora")
OURS_BY_LMTP, OURS_BY_IMAP = "pages@lmtp.test", "pages@imap.test"

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.late.test
mydestination =
mynetworks = 127.0.0.0/8
recipient_delimiter = +
virtual_mailbox_domains = people.test, late.test, lmtp.test, imap.test
virtual_mailbox_maps = inline:{{ {known} }}
virtual_transport = lmtp:inet:127.0.0.1:{dovecot_lmtp}
transport_maps = inline:{{ {{lmtp.test=lmtp:inet:127.0.0.1:{our_lmtp}}} }}
default_transport = error:no outside mail
relay_transport = error:no outside mail
smtp_dns_support_level = disabled
lmtp_host_lookup = native
smtp_host_lookup = native
alias_maps =
alias_database =
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{dovecot_auth}
smtpd_sasl_security_options = noanonymous
smtpd_error_sleep_time = 0
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/key-and-certificate.pem
"""

_MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 1
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
passdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
  default_fields = uid=nobody gid=nogroup home={folder}/mail/%n
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {dovecot_auth}
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {dovecot_lmtp}
  }}
}}
"""


@dataclass(frozen=True)
class MailServers:
    """Both servers, and what a mail program does with them. Its methods block."""

    folder: Path
    smtp: int
    imap: int
    our_lmtp: int

    def inbox(self, owner: str) -> list[EmailMessage]:
        """Every mail of this person, the first one first. Reading marks nothing."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as client:
            client.login(owner, PASSWORD)
            client.select("INBOX", readonly=True)
            numbers = client.search(None, "ALL")[1][0].split()
            found = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers]
        return [email.message_from_bytes(each[1], policy=default) for each in found if isinstance(each, tuple)]

    def flags(self, owner: str) -> list[str]:
        """The flags of each mail of this person."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as client:
            client.login(owner, PASSWORD)
            client.select("INBOX", readonly=True)
            return [str(each) for each in client.fetch("1:*", "(FLAGS)")[1]]

    def forget(self, owner: str) -> None:
        """Delete every mail of this person."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as client:
            client.login(owner, PASSWORD)
            if client.select("INBOX")[1] == [b"0"]:
                return
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()

    def post(self, mail: EmailMessage, sender: str | None = None) -> None:
        """Hand a mail to Postfix as a mail program does. `sender` is the envelope's, if not that of From."""
        with smtplib.SMTP("127.0.0.1", self.smtp, local_hostname="laptop.people.test", timeout=20) as client:
            client.send_message(mail, from_addr=sender)

    def log(self) -> str:
        return "".join(
            each.read_text(errors="replace")[-8000:] for each in sorted(self.folder.glob("*.log")) if each.is_file()
        )


def reply(mail: EmailMessage, words: str, sender: str, **headers: str) -> EmailMessage:
    """What a person's mail program makes of "reply": to Reply-To, in the thread, with the original quoted below."""
    answer = EmailMessage()
    answer["From"] = sender
    answer["To"] = mail["Reply-To"] or mail["From"]
    answer["Subject"] = f"Re: {mail['Subject']}"
    answer["In-Reply-To"] = mail["Message-ID"]
    answer["References"] = f"{mail.get('References', '')} {mail['Message-ID']}".strip()
    answer["Message-ID"] = f"<{free_port()}.{os.urandom(6).hex()}@laptop.people.test>"
    for name, value in headers.items():
        answer[name.replace("_", "-")] = value
    quoted = "".join(f"> {line}\n" for line in mail.get_content().splitlines())
    answer.set_content(f"{words}\n\nOn Sat, 21 Nov 2026 at 14:05, {mail['From']}\nwrote:\n\n{quoted}")
    return answer


@pytest.fixture(scope="session")
def mail_servers() -> Iterator[MailServers]:
    """One pair for the whole run; tests keep apart by their words and their people."""
    if shutil.which("postfix") is None or shutil.which("dovecot") is None or os.geteuid() != 0:
        pytest.skip("needs Postfix and Dovecot, and root to start them")
    # Not tmp_path: the servers' own users must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="tocsin-mail-"))
    folder.chmod(0o755)
    try:
        yield from _running(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _running(folder: Path) -> Iterator[MailServers]:
    ports = {name: free_port() for name in ("smtp", "imap", "our_lmtp", "dovecot_lmtp", "dovecot_auth")}
    _write(folder, ports)
    dovecot = subprocess.Popen(["dovecot", "-F", "-c", str(folder / "dovecot.conf")])
    found = MailServers(folder, ports["smtp"], ports["imap"], ports["our_lmtp"])
    try:
        subprocess.run(["postfix", "-c", str(folder / "postfix"), "start"], check=True, capture_output=True, timeout=60)
        for name in ("smtp", "imap", "dovecot_lmtp", "dovecot_auth"):
            wait_until(_listening(ports[name]), f"{name} on port {ports[name]}\n{found.log()}")
        yield found
    finally:
        # Postfix is told by its own command, which knows its processes; a kill would leave the queue's locks.
        subprocess.run(["postfix", "-c", str(folder / "postfix"), "stop"], check=False, capture_output=True, timeout=60)
        dovecot.terminate()
        dovecot.wait(15)


def _write(folder: Path, ports: dict[str, int]) -> None:
    (folder / "mail").mkdir()
    (folder / "mail").chmod(0o777)
    for name in ("postfix", "queue"):
        (folder / name).mkdir()
    known = " ".join(f"{{{each}=1}}" for each in (*_addresses(), "@late.test", OURS_BY_LMTP, OURS_BY_IMAP))
    values = {"folder": folder, "known": known, **ports}
    (folder / "postfix" / "main.cf").write_text(_MAIN.format(**values), encoding="utf-8")
    (folder / "postfix" / "master.cf").write_text(_MASTER.format(**values), encoding="utf-8")
    (folder / "dovecot.conf").write_text(_DOVECOT.format(**values), encoding="utf-8")
    users = "".join(f"{name}:{{PLAIN}}{PASSWORD}::::::\n" for name in (*PEOPLE, "pages"))
    (folder / "users").write_text(users, encoding="utf-8")
    (folder / "users").chmod(0o644)
    _certify(folder / "key-and-certificate.pem", folder / "ca.pem")


def _addresses() -> Sequence[str]:
    return [f"{name}@people.test" for name in PEOPLE]


def _certify(chain: Path, authority: Path) -> None:
    import trustme  # noqa: PLC0415 - only here, and it takes a while

    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    ca.cert_pem.write_to_path(authority)
    server.private_key_and_cert_chain_pem.write_to_path(chain)
