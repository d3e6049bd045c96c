"""Every way in which a plan and its directory do not fit together is found, at its place."""

from typing import Any

import pytest

from contacts.directory import Directory
from runbooks.checks import check
from runbooks.places import ModelPath, Weight
from runbooks.plan import Plan

Written = dict[str, Any]


def a_plan(**changes) -> Plan:
    written = {
        "company": "Larkfield Home",
        "ladders": {"all": a_ladder()},
        "severities": {severity: "all" for severity in ("SEV1", "SEV2", "SEV3", "SEV4")},
        "cadence": {severity: {"compensation_within": "2d"} for severity in ("SEV1", "SEV2", "SEV3", "SEV4")},
        "situations": {"OUTAGE": {"title": "The shop is down", "severity": "SEV2", "runbook": "outage"}},
        "operators": ["nora"],
        "compensation": {"decider": "leon"},
        "runbooks": [a_runbook()],
    }
    return Plan.model_validate(written | changes)


def a_ladder(page=("role:commander",), in_extremis=("leon",)) -> Written:
    return {"rungs": [{"page": list(page), "wait": "5m"}], "in_extremis": list(in_extremis)}


def a_runbook(*steps: Written, runbook_id: str = "outage", decisions: tuple[Written, ...] = ()) -> Written:
    return {
        "id": runbook_id,
        "title": "The shop is down",
        "purpose": "Get it up again.",
        "closes_when": "It is up.",
        "steps": list(steps) or [a_step("look")],
        "decisions": list(decisions),
    }


def a_step(step_id: str, *needs: str, owner: str = "nora") -> Written:
    return {"id": step_id, "title": "T", "owner": owner, "say": "S", "within": "5m", "needs": list(needs)}


def a_decision(decision_id: str, *needs: str, options=("yes", "no"), decider: str = "leon") -> Written:
    question = {"id": decision_id, "question": "Q?", "options": list(options), "decider": decider, "within": "5m"}
    return question | {"needs": list(needs)}


def an_integration(name: str = "monitor", key: str = "monitor-key-00001", routes=({"situation": "OUTAGE"},)) -> Written:
    return {"name": name, "kind": "signals", "key": key, "routes": list(routes)}


def a_contact(contact_id: str, **changes) -> Written:
    channels = [{"kind": "slack", "to": f"U{number}{contact_id.upper()}"} for number in (1, 2)]
    authority = [{"may": "compensation", "granted_by": "The board"}]
    return {"id": contact_id, "name": contact_id.title(), "channels": channels, "authority": authority} | changes


def a_directory(*contacts: Written, roles=({"id": "commander", "responsible": "nora", "deputy": "leon"},)) -> Directory:
    people = list(contacts) or [a_contact("nora"), a_contact("leon")]
    return Directory.model_validate({"contacts": people, "roles": [{"title": "T"} | role for role in roles]})


def found(weight: Weight, plan: Plan, directory: Directory) -> list[tuple[ModelPath, str]]:
    return [(finding.path, finding.sentence) for finding in check(plan, directory) if finding.weight is weight]


def test_a_whole_plan_has_neither_error_nor_warning():
    assert check(a_plan(integrations=[an_integration()]), a_directory()) == []


ALL = {"SEV1": "all", "SEV2": "all", "SEV3": "all", "SEV4": "all"}
FOUR_CLOCKS = {severity: {"compensation_within": "2d"} for severity in ALL}

ERRORS_IN_THE_PLAN = [
    (
        {"ladders": {"all": a_ladder(page=["norah"])}},
        ("ladders", "all", "rungs", 0, "page", 0),
        "'norah' is not a contact in contacts.yaml; did you mean 'nora'?",
    ),
    (
        {"ladders": {"all": a_ladder(page=["role:comander"])}},
        ("ladders", "all", "rungs", 0, "page", 0),
        "'role:comander' is not a role in contacts.yaml; did you mean 'role:commander'?",
    ),
    (
        {"ladders": {"all": a_ladder(page=["commander"])}},
        ("ladders", "all", "rungs", 0, "page", 0),
        "'commander' is a role; write it as 'role:commander'.",
    ),
    (
        {"ladders": {"all": a_ladder(in_extremis=["xyz"])}},
        ("ladders", "all", "in_extremis", 0),
        "'xyz' is not a contact in contacts.yaml.",
    ),
    (
        {"ladders": {"all": a_ladder(page=["nora", "leon", "nora"])}},
        ("ladders", "all", "rungs", 0, "page", 2),
        "'nora' is called twice at once here.",
    ),
    ({"severities": {"SEV1": "all", "SEV2": "all", "SEV3": "all"}}, ("severities",), "SEV4 has no ladder."),
    (
        {"severities": ALL | {"SEV4": "al"}},
        ("severities", "SEV4"),
        "'al' is not one of the ladders; did you mean 'all'?",
    ),
    (
        {"cadence": {"SEV1": FOUR_CLOCKS["SEV1"]} | dict(list(FOUR_CLOCKS.items())[2:])},
        ("cadence",),
        "SEV2 has no clocks.",
    ),
    (
        {"situations": {"OUTAGE": {"title": "T", "severity": "SEV2", "runbook": "outrage"}}},
        ("situations", "OUTAGE", "runbook"),
        "'outrage' is not the id of a runbook; did you mean 'outage'?",
    ),
    (
        {"situations": {"OUTAGE": {"title": "T", "severity": "SEV2", "runbook": "outage", "ladder": {"SEV1": "none"}}}},
        ("situations", "OUTAGE", "ladder", "SEV1"),
        "'none' is not one of the ladders.",
    ),
    (
        {"integrations": [an_integration(), an_integration(key="monitor-key-00002")]},
        ("integrations", 1, "name"),
        "Another integration is called 'monitor' too.",
    ),
    (
        {"integrations": [an_integration(), an_integration("other")]},
        ("integrations", 1, "key"),
        "Another integration has this key too; every sender needs its own.",
    ),
    (
        {"integrations": [an_integration(routes=[{"situation": "OUTAGES"}])]},
        ("integrations", 0, "routes", 0, "situation"),
        "'OUTAGES' is not one of the situations; did you mean 'OUTAGE'?",
    ),
    (
        {"integrations": [an_integration(routes=[{"match": {"a": "b"}, "situation": "OUTAGE"}])]},
        ("integrations", 0, "routes"),
        "What matches no route of 'monitor' would vanish; end with a route without 'match'.",
    ),
    ({"executives": ["role:ceo"]}, ("executives", 0), "'role:ceo' is not a role in contacts.yaml."),
    ({"operators": ["ops"]}, ("operators", 0), "'ops' is not a contact in contacts.yaml."),
    ({"operators": ["nora", "nora"]}, ("operators", 1), "'nora' is called twice at once here."),
    (
        {"compensation": {"decider": "lion"}},
        ("compensation", "decider"),
        "'lion' is not a contact in contacts.yaml; did you mean 'leon'?",
    ),
    (
        {"publications": [{"audience": "staff", "channel": "console", "to": "all"}] * 2},
        ("publications", 1),
        "This audience gets every update here already.",
    ),
    (
        {"publications": [{"audience": "customers", "channel": "slack", "to": "#status"}]},
        ("publications", 0, "to"),
        "A Slack channel is named by its id, such as C024BE7LH.",
    ),
]
ERRORS_IN_A_RUNBOOK = [
    (
        a_runbook(a_step("look", owner="role:tech")),
        ("steps", 0, "owner"),
        "'role:tech' is not a role in contacts.yaml.",
    ),
    (a_runbook(a_step("look"), a_step("look")), ("steps", 1, "id"), "'look' stands here twice."),
    (
        a_runbook(a_step("look"), a_step("mend", "loook")),
        ("steps", 1, "needs", 0),
        "'loook' is not a step of this runbook; did you mean 'look'?",
    ),
    (
        a_runbook(a_step("look", "look")),
        ("steps", 0, "needs"),
        "These steps wait for each other: look needs look.",
    ),
    (
        a_runbook(a_step("start"), a_step("look", "start", "tell"), a_step("mend", "look"), a_step("tell", "mend")),
        ("steps", 1, "needs"),
        "These steps wait for each other: look needs tell needs mend needs look.",
    ),
    (
        a_runbook(decisions=(a_decision("failover"), a_decision("failover"))),
        ("decisions", 1, "id"),
        "'failover' stands here twice.",
    ),
    (
        a_runbook(decisions=(a_decision("failover", decider="cto"),)),
        ("decisions", 0, "decider"),
        "'cto' is not a contact in contacts.yaml.",
    ),
    (
        a_runbook(decisions=(a_decision("failover", "mend"),)),
        ("decisions", 0, "needs", 0),
        "'mend' is not a step of this runbook.",
    ),
    (
        a_runbook(decisions=(a_decision("failover", options=("yes", "yes")),)),
        ("decisions", 0, "options", 1),
        "'yes' stands here twice.",
    ),
    (
        a_runbook(decisions=(a_decision("compensation"),)),
        ("decisions", 0, "id"),
        "Tocsin asks for 'compensation' by itself, in every incident; leave it out.",
    ),
]
ERRORS_IN_THE_CONTACTS = [
    (
        a_directory(a_contact("nora"), a_contact("leon"), a_contact("nora")),
        ("contacts", 2, "id"),
        "Another contact is called 'nora' too.",
    ),
    (
        a_directory(a_contact("nora", time_zone="Europe/Lodnon"), a_contact("leon")),
        ("contacts", 0, "time_zone"),
        "'Europe/Lodnon' is not a time zone; did you mean 'Europe/London'?",
    ),
    (
        a_directory(a_contact("nora", time_zone="Europe"), a_contact("leon")),
        ("contacts", 0, "time_zone"),
        "'Europe' is not a time zone.",
    ),
    (
        a_directory(a_contact("nora", time_zone="../../etc/passwd"), a_contact("leon")),
        ("contacts", 0, "time_zone"),
        "'../../etc/passwd' is not a time zone.",
    ),
    (
        a_directory(a_contact("nora", channels=[{"kind": "slack", "to": "U1NORA"}] * 2), a_contact("leon")),
        ("contacts", 0, "channels", 1),
        "This channel stands here twice.",
    ),
    (
        a_directory(roles=[{"id": "commander", "responsible": "noa", "deputy": "leon"}]),
        ("roles", 0, "responsible"),
        "'noa' is not a contact in contacts.yaml; did you mean 'nora'?",
    ),
    (
        a_directory(roles=[{"id": "commander", "responsible": "nora", "deputy": "nora"}]),
        ("roles", 0, "deputy"),
        "'nora' holds the role 'commander' already.",
    ),
    (
        a_directory(roles=[{"id": "commander", "responsible": "nora", "deputy": "leon"}] * 2),
        ("roles", 1, "id"),
        "Another role is called 'commander' too.",
    ),
    (
        a_directory(a_contact("nora", authority=[]), a_contact("leon", authority=[])),
        ("compensation",),
        "Nobody in contacts.yaml has authority for compensation, so no incident could ever be closed.",
    ),
    (
        a_directory(a_contact("nora"), a_contact("leon", channels=[{"kind": "console", "to": "leon"}])),
        ("ladders", "all", "in_extremis"),
        "Nobody here has a phone or Slack: a call that gets this far would end unheard.",
    ),
]


@pytest.mark.parametrize(
    ("changes", "path", "sentence"), ERRORS_IN_THE_PLAN, ids=[case[2] for case in ERRORS_IN_THE_PLAN]
)
def test_an_error_in_the_plan_is_found(changes, path, sentence):
    assert found(Weight.ERROR, a_plan(**changes), a_directory()) == [(path, sentence)]


@pytest.mark.parametrize(
    ("runbook", "path", "sentence"), ERRORS_IN_A_RUNBOOK, ids=[case[2] for case in ERRORS_IN_A_RUNBOOK]
)
def test_an_error_in_a_runbook_is_found(runbook, path, sentence):
    assert found(Weight.ERROR, a_plan(runbooks=[runbook]), a_directory()) == [(("runbooks", 0, *path), sentence)]


@pytest.mark.parametrize(
    ("directory", "path", "sentence"), ERRORS_IN_THE_CONTACTS, ids=[case[2] for case in ERRORS_IN_THE_CONTACTS]
)
def test_an_error_in_the_contacts_is_found(directory, path, sentence):
    assert found(Weight.ERROR, a_plan(), directory) == [(path, sentence)]


def test_two_runbooks_of_one_name_are_an_error():
    assert found(Weight.ERROR, a_plan(runbooks=[a_runbook(), a_runbook()]), a_directory()) == [
        (("runbooks", 1, "id"), "Another runbook is called 'outage' too.")
    ]


def warnings(plan: Plan, directory: Directory) -> list[str]:
    assert found(Weight.ERROR, plan, directory) == []
    return [sentence for _, sentence in found(Weight.WARNING, plan, directory)]


def test_a_contact_with_a_single_channel_is_a_warning():
    alone = a_contact("nora", channels=[{"kind": "slack", "to": "U1NORA"}])
    assert warnings(a_plan(), a_directory(alone, a_contact("leon"))) == [
        "Nora has one channel; when that one is down they are not reached."
    ]


def test_a_plan_of_consoles_is_a_rehearsal():
    people = [a_contact(each, channels=[{"kind": "console", "to": each}]) for each in ("nora", "leon")]
    assert warnings(a_plan(), a_directory(*people)) == [
        "Everybody is on the console only: this plan can be rehearsed, but it cannot wake anybody."
    ]


@pytest.mark.parametrize("number", ["+12025550123", "+447700900999"])
def test_a_number_that_is_reserved_for_examples_is_a_warning(number):
    channels = [{"kind": "sms", "to": number}, {"kind": "voice", "to": number}]
    assert warnings(a_plan(), a_directory(a_contact("nora", channels=channels), a_contact("leon"))) == [
        "2 numbers are reserved for examples and reach nobody; this is the first."
    ]


def test_one_person_behind_two_names_on_a_rung_is_a_warning():
    plan = a_plan(ladders={"all": a_ladder(page=["nora", "role:commander"])})
    assert warnings(plan, a_directory()) == ["'role:commander' and 'nora' are both Nora, who is paged once."]


def test_a_role_without_a_deputy_is_a_warning():
    directory = a_directory(roles=[{"id": "commander", "responsible": "nora"}])
    assert warnings(a_plan(), directory) == ["The role 'commander' has no deputy."]


def test_what_nothing_uses_is_a_warning():
    plan = a_plan(ladders={"all": a_ladder(), "old": a_ladder()}, runbooks=[a_runbook(), a_runbook(runbook_id="old")])
    assert warnings(plan, a_directory()) == [
        "No severity and no situation uses the ladder 'old'.",
        "No situation uses the runbook 'old'.",
    ]


def test_a_route_behind_one_that_takes_everything_is_a_warning():
    routes = [{"situation": "OUTAGE"}, {"match": {"a": "b"}, "situation": "OUTAGE"}]
    assert warnings(a_plan(integrations=[an_integration(routes=routes)]), a_directory()) == [
        "This route is never reached: route 1 takes everything."
    ]


def test_updates_and_summaries_that_reach_nobody_are_warnings():
    clocks = {"compensation_within": "2d", "update_every": "1h", "summary_every": "1h"}
    assert warnings(a_plan(cadence=dict.fromkeys(ALL, clocks)), a_directory()) == [
        "Executive summaries are due, but 'executives' names nobody who receives them.",
        "Updates are due, but 'publications' has no place where customers can read them.",
    ]


def test_a_decider_without_authority_and_one_who_is_alone_are_warnings():
    directory = a_directory(a_contact("nora"), a_contact("leon", authority=[]))
    assert warnings(a_plan(), directory) == [
        "Leon has no authority for compensation; Nora must do it.",
        "Only Nora has authority for compensation, and nobody decides their own proposal.",
    ]


def test_authority_in_another_currency_is_a_warning():
    grant = {"may": "compensation", "per_customer": {"amount": 5, "currency": "GBP"}, "granted_by": "The board"}
    directory = a_directory(a_contact("nora", authority=[grant]), a_contact("leon"))
    assert warnings(a_plan(), directory) == ["This authority covers nothing: the plan compensates in EUR."]


def test_a_drill_that_reaches_nobody_is_a_warning():
    drill = {"title": "T", "severity": "SEV2", "runbook": "outage", "ladder": {"SEV2": "all"}, "drill": True}
    assert warnings(a_plan(situations={"DRILL": drill}), a_directory()) == [
        "Nobody on the ladder 'all' has a console or 'drills: true', so this drill reaches nobody."
    ]


def test_a_drill_with_somebody_who_agreed_to_drills_is_fine():
    drill = {"title": "T", "severity": "SEV2", "runbook": "outage", "ladder": {"SEV2": "all"}, "drill": True}
    directory = a_directory(a_contact("nora", drills=True), a_contact("leon"))
    assert warnings(a_plan(situations={"DRILL": drill}), directory) == []


def on_the_console(contact_id):
    return a_contact(contact_id, channels=[{"kind": "console", "to": contact_id}])


def test_somebody_on_a_ladder_whom_nothing_would_wake_is_a_warning_that_names_them():
    directory = a_directory(on_the_console("nora"), a_contact("leon"))
    assert found(Weight.WARNING, a_plan(), directory) == [
        (
            ("contacts", 0, "channels"),
            "Nora stands on the ladder 'all' with the console only, which wakes nobody: to be called there they need a "
            "telephone, Slack or another channel.",
        )
    ]


def test_somebody_on_the_console_who_is_called_in_drills_only_or_not_at_all_is_fine():
    drill = {"title": "D", "severity": "SEV1", "runbook": "outage", "drill": True}
    ladders = {"all": a_ladder(page=["leon"]), "drill": a_ladder(page=["nora"], in_extremis=["nora"])}
    outage = {"title": "The shop is down", "severity": "SEV2", "runbook": "outage"}
    rehearsed = drill | {"ladder": {"SEV1": "drill"}}
    plan = a_plan(ladders=ladders, situations={"OUTAGE": outage, "DRILL": rehearsed})
    assert warnings(plan, a_directory(on_the_console("nora"), a_contact("leon"))) == []


@pytest.mark.parametrize(
    ("again", "field", "sentence"),
    [
        ({"every": "30m", "at_most": "5m"}, "at_most", "'at_most' (5m) is shorter than 'every' (30m), so 5m is the"),
        ({"every": "1h"}, "at_most", "'at_most' (30m) is shorter than 'every' (1h)"),
        ({"every": "0s"}, "every", "'every' is 0s"),
    ],
)
def test_a_pause_in_extremis_that_cannot_be_meant_is_a_warning(again, field, sentence):
    plan = a_plan(ladders={"all": a_ladder() | {"again": again}})
    [(path, said)] = found(Weight.WARNING, plan, a_directory())
    assert path == ("ladders", "all", "again", field)
    assert said.startswith(sentence)


def test_a_target_of_no_time_is_a_warning():
    cadence = {each: {"compensation_within": "2d"} for each in ("SEV1", "SEV2", "SEV3", "SEV4")}
    cadence["SEV1"] |= {"reach_within": "0s"}
    [(path, sentence)] = found(Weight.WARNING, a_plan(cadence=cadence), a_directory())
    assert path == ("cadence", "SEV1", "reach_within")
    assert sentence.startswith("'reach_within' is 0s")


def test_a_provider_that_stands_twice_and_proofs_that_are_never_good_are_warnings():
    people = a_directory().model_dump(mode="json")
    directory = Directory.model_validate(people | {"providers": {"sms": ["one", "two", "one"]}, "reverify_every": "0s"})
    assert found(Weight.WARNING, a_plan(), directory) == [
        (("contacts",), "'reverify_every' is 0s: every proof is over on its own day. Write such as 30d."),
        (("providers", "sms", 2), "'one' stands here twice."),
    ]
