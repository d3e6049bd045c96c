"""JSON Schemas of the plan's files, for editors that complete and check while one writes.

`python -m runbooks.schemas` rewrites docs/schemas in a checkout. The loader checks by the models themselves.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from contacts.directory import Directory
from runbooks.plan import PlanFile, Runbook
from signals.listening import Listening
from signals.thresholds import ThresholdsFile

SCHEMAS: dict[str, tuple[str, type[BaseModel]]] = {
    "plan.schema.json": ("Tocsin plan.yaml", PlanFile),
    "contacts.schema.json": ("Tocsin contacts.yaml", Directory),
    "runbook.schema.json": ("Tocsin runbooks/*.yaml", Runbook),
    "thresholds.schema.json": ("Tocsin thresholds.yaml", ThresholdsFile),
    "listening.schema.json": ("Tocsin listening.yaml", Listening),
}
DOCS = Path(__file__).parents[1] / "docs" / "schemas"


def schema_texts() -> dict[str, str]:
    """The text of each schema by its file name. The same models always give the same text."""
    return {name: _text(title, model) for name, (title, model) in SCHEMAS.items()}


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into `folder`, over what stands there; returns the paths. A second call changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in schema_texts().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def _text(title: str, model: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(), "title": title}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_schemas(DOCS)
