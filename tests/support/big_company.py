"""A company of a size that few have, with schedules for as many years as one likes. Nothing in it is random."""

from datetime import date, timedelta

from contacts.addresses import ChannelKind, EmailChannel, SlackChannel, SmsChannel, VoiceChannel
from contacts.directory import Absence, Area, Beat, Contact, Directory, QuietHours, Role
from contacts.schedules import Layer, Override, Schedule, Window
from incidents.severity import Severity
from runbooks.plan import Backoff, Ladder, Plan, Rung, Situation
from tests.support.plans import crisis_plan

ZONES = ("Europe/Madrid", "Europe/London", "America/New_York", "Asia/Kolkata")
FIRST = date(2027, 1, 4)
NIGHTS_OF_THE_WEEKEND = Window(days=("sat", "sun"), after="20:00", until="08:00")
PUSHED = (Beat(by=(ChannelKind.SMS, ChannelKind.SLACK)), Beat(by=(ChannelKind.VOICE,), after=timedelta(minutes=1)))


def big_company(people: int = 200, schedules: int = 40, years: int = 10) -> tuple[Plan, Directory]:
    """Half the schedules change hands daily, half weekly, each with a night layer and overrides; each is the duty of an
    area or of its deputies, and every area has a situation. Everybody is away once a year, every fifth keeps quiet
    hours. Two companies carry SMS; a third of the people have a phone and nothing else.
    """
    everybody = [f"p{number:03d}" for number in range(people)]
    each = max(1, people // schedules)
    crews = [everybody[number * each : (number + 1) * each] for number in range(schedules)]
    directory = Directory(
        contacts=tuple(_person(number, everybody, years) for number in range(people)),
        roles=(
            Role(id="commander", title="Commander", responsible="schedule:s00", deputy=everybody[7]),
            Role(id="chief", title="Chief", responsible=everybody[11], deputy=everybody[12]),
        ),
        areas=tuple(
            Area(
                id=f"a{number:02d}",
                title=f"Area {number}",
                responsible=f"schedule:s{number:02d}",
                deputy=f"schedule:s{number + schedules // 4:02d}",
                second_deputy=f"schedule:s{number + schedules // 2:02d}",
            )
            for number in range(schedules // 4)
        ),
        schedules=tuple(_schedule(number, crew, years) for number, crew in enumerate(crews)),
        providers={ChannelKind.SMS: ("twilio-a", "twilio-b"), ChannelKind.VOICE: ("twilio-b", "twilio-a")},
        paging={Severity.SEV1: PUSHED, Severity.SEV2: PUSHED},
    )
    return _plan(schedules // 4), directory


def _person(number: int, everybody: list[str], years: int) -> Contact:
    phone = f"+447700900{number % 1000:03d}"
    rest = number % 3
    deputy = everybody[(number + 1) % len(everybody)]
    return Contact(
        id=everybody[number],
        name=f"Person {number}",
        time_zone=ZONES[number % len(ZONES)],
        channels=(
            SmsChannel(kind="sms", to=phone),
            VoiceChannel(kind="voice", to=phone),
            *((SlackChannel(kind="slack", to=f"U{number:05d}X"),) if rest else ()),
            *((EmailChannel(kind="email", to=f"{everybody[number]}@example.com"),) if rest == 2 else ()),
        ),
        deputy=deputy,
        quiet_hours=(QuietHours(after="22:00", until="07:00", severities=(Severity.SEV4,)),) if number % 5 == 0 else (),
        absences=tuple(
            Absence(starts=start.isoformat(), ends=(start + timedelta(days=13)).isoformat())
            for year in range(years)
            for start in (FIRST + timedelta(days=365 * year + number % 350),)
        ),
    )


def _schedule(number: int, crew: list[str], years: int) -> Schedule:
    rotate = timedelta(days=1 if number % 2 == 0 else 7)
    return Schedule(
        id=f"s{number:02d}",
        title=f"Schedule {number}",
        time_zone=ZONES[number % len(ZONES)],
        layers=(
            Layer(people=tuple(crew), rotate=rotate, start=FIRST.isoformat(), hand_over="09:00"),
            *(
                (Layer(people=tuple(reversed(crew)), start=FIRST.isoformat(), only=(NIGHTS_OF_THE_WEEKEND,)),)
                if number % 4 == 0
                else ()
            ),
        ),
        overrides=tuple(
            Override(
                starts=(FIRST + timedelta(days=365 * year + 40 + number)).isoformat(),
                ends=(FIRST + timedelta(days=365 * year + 42 + number)).isoformat(),
                person=crew[0],
            )
            for year in range(years)
        ),
    )


def _plan(areas: int) -> Plan:
    """A ladder a severity as in domain.md 2.4, and about as many situations as its catalogue has."""

    def ladder(*waits: int) -> Ladder:
        pages = (("role:commander", "area:*"), ("area:*/deputy", "schedule:s30"), ("schedule:s31",), ("role:chief",))
        rungs = tuple(Rung(page=page, wait=timedelta(minutes=wait)) for page, wait in zip(pages, waits, strict=False))
        return Ladder(rungs=rungs, in_extremis=("role:chief", "role:chief/deputy", "p020"), again=Backoff())

    plan = crisis_plan()
    outage = plan.situations["SHOP_DOWN"]
    return plan.model_copy(
        update={
            "ladders": {"sev1": ladder(5, 5, 5, 5), "sev3": ladder(15, 15, 15, 15), "sev4": ladder(60, 60)},
            "severities": {
                Severity.SEV1: "sev1",
                Severity.SEV2: "sev1",
                Severity.SEV3: "sev3",
                Severity.SEV4: "sev4",
            },
            "situations": {
                f"OUTAGE_{number:02d}": Situation(
                    title=f"Outage {number}", severity=Severity.SEV1, runbook=outage.runbook, area=f"a{number:02d}"
                )
                for number in range(areas)
            },
        }
    )
