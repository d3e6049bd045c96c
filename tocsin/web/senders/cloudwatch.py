"""CloudWatch alarms through Amazon SNS: the envelope and its signature, and the alarm inside. Pure; tocsin/web/sns.py
fetches what is needed to check it.
"""

import base64
import binascii
import re
from typing import Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import Field, TypeAdapter
from pydantic_core import from_json

from incidents.errors import SignalRefused
from signals.integration import Integration
from signals.signal import Action, Signal, stable_key
from tocsin.web.senders.reading import KB, Body, KeyRefused, Request, labels_of, read_json, title_of

LIMIT = 512 * KB
"""SNS carries 256 KB; quotes inside are escaped."""
_HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]{1,10}){1,3}-[0-9]{1,2}\.amazonaws\.com(\.cn)?")
_SIGNED: dict[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""Which fields are signed, in this order; a missing Subject is left out."""


class Envelope(Body):
    """What SNS posts, as text/plain."""

    Type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    MessageId: str
    TopicArn: str
    Message: str
    Timestamp: str
    SignatureVersion: Literal["1", "2"]
    Signature: str
    SigningCertURL: str = Field(max_length=1000)
    Subject: str | None = None
    SubscribeURL: str | None = Field(default=None, max_length=2000)
    Token: str | None = None


_ENVELOPE = TypeAdapter(Envelope)


def read_envelope(request: Request) -> Envelope:
    """Raises SignalRefused with a problem a field."""
    if request.headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
        raise SignalRefused(["body: switch raw message delivery off; without its envelope nothing is signed"])
    envelope = read_json(_ENVELOPE, request.body)
    if envelope.Type == "SubscriptionConfirmation" and not (envelope.SubscribeURL and envelope.Token):
        raise SignalRefused(["SubscribeURL: Field required to confirm a subscription"])
    return envelope


def is_amazons(url: str) -> bool:
    """Whether this is an https address of SNS itself, and nothing else in disguise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and "\\" not in url and " " not in url
    return (
        plain
        and parts.scheme == "https"
        and parts.username is None
        and parts.password is None
        and port in (None, 443)
        and _HOST.fullmatch(parts.hostname or "") is not None
    )


def certificate_url(envelope: Envelope) -> str:
    """Where the certificate is that signs it. Raises KeyRefused unless that is Amazon's."""
    url = envelope.SigningCertURL
    if not is_amazons(url) or not urlsplit(url).path.endswith(".pem") or urlsplit(url).query:
        raise KeyRefused("SigningCertURL: this is not a certificate of Amazon SNS.")
    return url


def check_signature(envelope: Envelope, certificate: bytes) -> None:
    """Raises KeyRefused when the envelope is not signed by this certificate (PEM)."""
    text = "".join(
        f"{name}\n{value}\n" for name in _SIGNED[envelope.Type] if (value := getattr(envelope, name)) is not None
    )
    algorithm = hashes.SHA1() if envelope.SignatureVersion == "1" else hashes.SHA256()
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise KeyRefused("Signature: the certificate holds no RSA key.")
        signature = base64.b64decode(envelope.Signature, validate=True)
        key.verify(signature, text.encode("utf-8", "surrogatepass"), padding.PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise KeyRefused("Signature: this message is not signed by Amazon SNS.") from error


def allows(integration: Integration, envelope: Envelope) -> bool:
    return not integration.topics or envelope.TopicArn in integration.topics


def signal_of(envelope: Envelope, body: bytes) -> Signal:
    """The alarm in a notification; any other text is a signal too, and each of it one of its own."""
    alarm = _alarm(envelope.Message)
    if alarm is None:
        title = title_of(
            envelope.Subject or "", envelope.Message[:1000].split("\n", 1)[0], otherwise="A message by SNS"
        )
        labels = labels_of({}, TopicArn=envelope.TopicArn)
        return Signal("trigger", stable_key(envelope.MessageId), title, envelope.TopicArn, None, labels, body)
    name, state = str(alarm["AlarmName"]), str(alarm.get("NewStateValue", "ALARM"))
    trigger = alarm.get("Trigger")
    trigger = trigger if isinstance(trigger, dict) else {}
    kept = ("AlarmName", "Region", "AWSAccountId", "NewStateValue", "Priority")
    labels = labels_of(
        _dimensions(trigger.get("Dimensions")),
        {each: trigger.get(each, alarm.get(each)) for each in ("Namespace", "MetricName")},
        {each: alarm.get(each) for each in kept},
        TopicArn=envelope.TopicArn,
    )
    action: Action = "resolve" if state == "OK" else "trigger"
    arn = alarm.get("AlarmArn")
    said = alarm.get("NewStateReason") or alarm.get("AlarmDescription") or ""
    return Signal(
        action,
        stable_key(arn if isinstance(arn, str) and arn else f"{labels.get('AWSAccountId', '')}:{name}"),
        title_of(f"{name}: {said}" if isinstance(said, str) and said else name, otherwise="alarm"),
        envelope.TopicArn,
        labels.get("Priority", state),
        labels,
        body,
    )


def _alarm(message: str) -> dict[str, Any] | None:
    try:
        found = from_json(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("AlarmName"), str) else None


def _dimensions(found: Any) -> dict[str, Any]:
    listed = found if isinstance(found, list) else []
    return {str(each.get("name")): each.get("value") for each in listed if isinstance(each, dict) and each.get("name")}
