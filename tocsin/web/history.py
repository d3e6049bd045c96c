"""What was heard and what became of it, over HTTP: for `tocsin backtest --since`."""

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, FastAPI, Query, Response

from engine.history import Place, labels, rows_after
from tocsin.web.api import GUARDED, EngineHere
from tocsin.web.fields import LARGEST

router = APIRouter(prefix="/api/v1", dependencies=GUARDED)

Moment = Annotated[float, Query(ge=0, le=1e11, allow_inf_nan=False)]


@router.get("/history")
async def history(
    engine: EngineHere,
    since: Moment,
    until: Moment = 1e11,
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """Mentions, alerts and hours in which nobody could listen, in the order in which they count, from `since` to
    `until` (seconds since 1970). `next` is where to go on: its `counted_at` as `since`, its `seq` as `after`; null at
    the end."""
    rows, following = await engine.database.read(lambda tx: rows_after(tx, Place(since, after), until, limit))
    content = {"rows": rows, "next": None if following is None else asdict(following)}
    return Response(orjson.dumps(content), media_type="application/json")


@router.get("/history/labels")
async def history_labels(engine: EngineHere, since: Moment) -> dict[str, Any]:
    """Incidents declared since then as labels for a backtest: `real` is false for one that was stood down."""
    found = await engine.database.read(lambda tx: labels(tx, since, engine.clock.now()))
    return {"labels": [asdict(each) for each in found]}


def include(app: FastAPI) -> None:
    app.include_router(router)
