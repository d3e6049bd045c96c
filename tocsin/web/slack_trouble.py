"""What the operators hear of Slack: once a day for each loop that does not do its work."""

import logging

from engine.services import Engine

log = logging.getLogger("tocsin.slack")


class SlackTrouble:
    """Its own trouble is logged and no more: whoever tells goes on with their work."""

    def __init__(self, engine: Engine, loop: str) -> None:
        self._engine = engine
        self._loop = loop
        self._told_on = ""

    async def tell(self, sentence: str) -> None:
        """Page the operators, unless they have heard of this loop today."""
        today = f"{self._engine.clock.now():%Y%m%d}"
        if self._told_on == today:
            return
        try:
            await self._engine.page_operators(f"{self._loop}-{today}", sentence)
        except Exception:
            log.exception("operators not told of slack loop=%s", self._loop)
            return
        self._told_on = today
