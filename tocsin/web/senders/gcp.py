"""Google Cloud Monitoring (once Stackdriver): the webhook channel, schema 1.0 to 1.2."""

from datetime import datetime

from pydantic import TypeAdapter

from signals.integration import Integration
from signals.signal import Signal, stable_key
from tocsin.web.senders.reading import (
    KB,
    Body,
    Id,
    Loose,
    LooseMapping,
    Request,
    labels_of,
    links_of,
    read_json,
    title_of,
)

LIMIT = 512 * KB


class GcpIncident(Body):
    incident_id: Id
    state: Id
    """open or closed, in any case."""
    summary: Loose = ""
    policy_name: Loose = ""
    condition_name: Loose = ""
    severity: Loose = ""
    url: Loose = ""
    resource_name: Loose = ""
    resource_display_name: Loose = ""
    resource_id: Loose = ""
    scoping_project_id: Loose = ""
    resource: LooseMapping = {}
    policy_user_labels: LooseMapping = {}


class GcpBody(Body):
    version: Loose = ""
    incident: GcpIncident


_BODY = TypeAdapter(GcpBody)


def read(request: Request, integration: Integration, now: datetime) -> list[Signal]:
    incident = read_json(_BODY, request.body).incident
    resource = incident.resource.get("labels")
    labels = labels_of(
        resource if isinstance(resource, dict) else {},
        incident.policy_user_labels,
        policy_name=incident.policy_name,
        condition_name=incident.condition_name,
        resource_name=incident.resource_display_name or incident.resource_name,
        project=incident.scoping_project_id,
        severity=incident.severity,
    )
    return [
        Signal(
            "resolve" if incident.state.lower() == "closed" else "trigger",
            stable_key(incident.incident_id),
            title_of(
                incident.summary, f"{incident.policy_name} {incident.condition_name}", otherwise="An incident of GCP"
            ),
            incident.resource_display_name or incident.resource_name,
            incident.severity or labels.get(integration.severity_label),
            labels,
            request.body,
            links=links_of([("incident", incident.url)]),
        )
    ]
