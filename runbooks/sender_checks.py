"""Whether each integration says what its kind needs, and nothing that its kind never looks at. Pure."""

from collections.abc import Iterator

from runbooks.findings import repeated, warning
from runbooks.places import Finding, ModelPath
from runbooks.plan import Plan
from signals.integration import Integration

LONGEST_MAIL_KEY = 40
"""Characters: the key stands in an address, of whose local part there are 64."""
_USED_BY: dict[str, tuple[str, ...]] = {
    "mapping": ("generic", "email"),
    "mail": ("email",),
    "topics": ("cloudwatch",),
    "secret_from": ("sentry", "grafana"),
}


def sender_findings(plan: Plan) -> Iterator[Finding]:
    """Every finding about the plan's integrations, in their order."""
    for index, sender in enumerate(plan.integrations):
        yield from _one(sender, ("integrations", index))
    mail = [
        (("integrations", index, "key"), each.key.casefold())
        for index, each in enumerate(plan.integrations)
        if each.kind == "email"
    ]
    yield from repeated(mail, "Another integration of the kind email has this key: mail addresses know no capitals.")


def _one(sender: Integration, path: ModelPath) -> Iterator[Finding]:
    for field, kinds in _USED_BY.items():
        if getattr(sender, field) and sender.kind not in kinds:
            yield Finding((*path, field), f"{field!r} is for the kinds {' and '.join(kinds)}, not for {sender.kind}.")
    match sender.kind:
        case "generic" if sender.mapping is None:
            yield Finding((*path, "kind"), "The kind generic needs 'mapping': where in a body summary and key stand.")
        case "email" if len(sender.key) > LONGEST_MAIL_KEY:
            yield Finding((*path, "key"), f"The key of an email integration has at most {LONGEST_MAIL_KEY} characters.")
        case "sentry" if sender.secret_from is None:
            sentence = "Without 'secret_from' nobody checks that Sentry has sent it; only the key protects it."
            yield warning((*path, "kind"), sentence)
