"""Signed, single-purpose links: one incident, one contact, one purpose. Opening one changes nothing."""

import hmac
from functools import lru_cache
from urllib.parse import quote, quote_plus

_DIGITS = 32  # hex digits, 128 bits


class Links:
    """Links of one installation epoch: after a restore an earlier link answers for nothing."""

    def __init__(self, secret: str, public_url: str | None, epoch: int = 1) -> None:
        self._secret = secret.encode()
        self._epoch = str(epoch)
        self._public_url = public_url
        # Asked for twice a page: for its text and for its buttons.
        self.path = lru_cache(1024)(self._path)

    def signature(self, purpose: str, incident: str, contact: str) -> str:
        text = "\n".join((self._epoch, purpose, incident, contact))
        return hmac.digest(self._secret, text.encode(), "sha256").hex()[:_DIGITS]

    def is_signed(self, purpose: str, incident: str, contact: str, signature: str) -> bool:
        """Whether this link was made here for just this. Takes the same time for right and wrong."""
        return hmac.compare_digest(self.signature(purpose, incident, contact).encode(), signature.encode())

    def _path(self, incident: str, contact: str, purpose: str = "answer") -> str:
        signature = self.signature(purpose, incident, contact)
        return f"/incidents/{quote(incident)}?c={quote_plus(contact)}&s={signature}"

    def url(self, incident: str, contact: str, *, base: str | None = None) -> str | None:
        """The whole address, or None while the outside world has none to reach us by."""
        root = base or self._public_url
        return None if root is None else root.rstrip("/") + self.path(incident, contact)
