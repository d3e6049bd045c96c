"""Amazon SNS as a sender: it signs with a key of its own, and gives its certificate."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tocsin.web.senders.reading import NotNow

HOST = "sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"https://{HOST}/SimpleNotificationService-1.pem"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
ALARM = {"AlarmName": "orders", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:1:alarm:orders", "NewStateValue": "ALARM",
         "NewStateReason": "Threshold Crossed", "Region": "EU (Ireland)", "AWSAccountId": "123456789012",
         "Trigger": {"MetricName": "Orders", "Namespace": "Shop",
                     "Dimensions": [{"name": "shop", "value": "eu"}]}}  # fmt: skip


class Amazon:
    """Signs as SNS does, and keeps what was asked of it."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )
        self.asked: list[str] = []
        self.answers = True

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if not self.answers:
            raise NotNow("Amazon is away.")
        return self.certificate if url == CERTIFICATE else b"<ConfirmSubscriptionResponse/>"

    def message(self, message: object = ALARM, version: str = "2", **changes: Any) -> dict[str, Any]:
        text = message if isinstance(message, str) else json.dumps(message)
        body = {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Subject": "ALARM", "Message": text,
                "Timestamp": "2026-11-21T20:43:00.000Z", "SignatureVersion": version,
                "SigningCertURL": CERTIFICATE, **changes}  # fmt: skip
        body = {name: value for name, value in body.items() if value is not None}
        return {**body, "Signature": self.sign(body)}

    def confirmation(self, subscribe: str = f"https://{HOST}/?Action=ConfirmSubscription&Token=t") -> dict[str, Any]:
        said = f"You have chosen to subscribe to the topic {TOPIC}."
        kind = "SubscriptionConfirmation"
        return self.message(said, Type=kind, Subject=None, Token="t", SubscribeURL=subscribe)

    def sign(self, body: dict[str, Any]) -> str:
        """Written from Amazon's documentation, apart from what is tested."""
        fields = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if body["Type"] != "Notification":
            fields = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{body[name]}\n" for name in fields if name in body)
        algorithm = hashes.SHA1() if body["SignatureVersion"] == "1" else hashes.SHA256()
        return base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()
