"""Secrets by the names of their environment variables."""

from collections.abc import Mapping

from listening.source import SourceFailed

PLAN_FOLDER = "TOCSIN_PLAN"
"""The variable that names the plan's folder, for sources that are files in it."""


def secret(environment: Mapping[str, str], variable: str, what: str) -> str:
    """The value of the variable, without blanks around it.

    `what` it holds stands in the sentence: `the app password of care.example.com`. Raises SourceFailed when it is
    missing or empty, so that a source without its secret is a source in trouble and no crash.
    """
    found = environment.get(variable, "").strip()
    if not found:
        raise SourceFailed(f"{variable} is not set: it holds {what}.")
    return found
