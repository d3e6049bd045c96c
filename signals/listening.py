"""listening.yaml: which brands are listened for, and where. Strict models; `listening/` builds the sources from them.

A secret never stands in the file: a field that ends in `_from` names the environment variable that holds it.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from incidents.durations import Duration
from incidents.ids import Slug
from incidents.model import Frozen

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Url = Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s]+$", max_length=2000)]


class Brand(Frozen):
    """What people call us. Misspellings one edit away from a name of five letters or more are found by themselves."""

    id: Slug
    names: Annotated[tuple[Text, ...], Field(min_length=1)]
    misspellings: tuple[Text, ...] = ()
    products: tuple[Text, ...] = ()
    people: tuple[Text, ...] = ()
    """Executives and others whose name stands for ours."""
    hashtags: tuple[Text, ...] = ()
    """Without the #."""
    accounts: tuple[Text, ...] = ()
    """Our own, as their network writes them (`care.example.com`, `@care@social.example`, `u/care`): what they write
    answers a thread; what is like one of them and is none is a look-alike."""
    leave_out: tuple[Text, ...] = ()
    """Words that make a mention one of somebody else of our name."""


class _Source(Frozen):
    name: Slug
    every: Duration = timedelta(seconds=30)
    """How often it is asked; a stream is asked so often when it breaks."""
    brand: Slug | None = None
    """Everything that it brings is about this brand; else the brands' words decide."""


class Bluesky(_Source):
    """Notifications of our account and a search for the brands' words; with `firehose` every post of the network."""

    kind: Literal["bluesky"]
    service: Url = "https://bsky.social"
    handle: Text | None = None
    password_from: VariableName = "TOCSIN_BLUESKY_PASSWORD"
    """An app password."""
    search: bool = True
    firehose: Url | None = None
    """A relay or PDS, `wss://…`."""


class Mastodon(_Source):
    """Notifications of our account, hashtag timelines and, where the server has one, its stream."""

    kind: Literal["mastodon"]
    server: Url
    token_from: VariableName = "TOCSIN_MASTODON_TOKEN"
    hashtags: bool = True
    stream: bool = True


class X(_Source):
    """Recent search and mentions of our account, through tweepy."""

    kind: Literal["x"]
    token_from: VariableName = "TOCSIN_X_BEARER_TOKEN"
    user_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")] | None = None
    """The number of our account; with it, what mentions us is read too."""
    longest_query: Annotated[int, Field(ge=256, le=4096)] = 512
    """Characters that X takes in one query: 512 with its basic access, more with others."""
    api: Url | None = None


class Reddit(_Source):
    """Search over subreddits, and replies to our account, through praw."""

    kind: Literal["reddit"]
    client_id_from: VariableName = "TOCSIN_REDDIT_CLIENT_ID"
    client_secret_from: VariableName = "TOCSIN_REDDIT_CLIENT_SECRET"
    user: Text | None = None
    """Our account, without u/; with it, replies and messages to it are read too, and what it answers."""
    password_from: VariableName = "TOCSIN_REDDIT_PASSWORD"
    user_agent: Annotated[Text, StringConstraints(min_length=7)] = "tocsin listening"
    subreddits: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{2,21}$")], ...],
        Field(min_length=1, max_length=100),
    ] = ("all",)
    """Without r/. Of named ones every comment is read; of `all` there are too many for that."""
    api: Url | None = None


class Feed(_Source):
    """RSS or Atom: press, app stores, review sites."""

    kind: Literal["feed"]
    url: Url
    reviews: bool = False
    """Entries are reviews with stars; one and two are complaints."""


class Imap(_Source):
    """A mailbox that customers write to. Nothing in it is changed."""

    kind: Literal["imap"]
    host: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    user: Text
    password_from: VariableName = "TOCSIN_CARE_MAIL_PASSWORD"
    folder: Text = "INBOX"
    sent: Text | None = None
    """The folder that keeps what we answer; what stands there is by us."""
    ours: tuple[Text, ...] = ()
    """Further addresses, or `@domains`, whose mails are by us; those among the brands' accounts are anyway."""


class Chatwoot(_Source):
    """Chatwoot's webhooks come to `/webhooks/chatwoot/{key}`; with a secret their signature is checked."""

    kind: Literal["chatwoot"]
    key: Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
    secret_from: VariableName | None = None
    url: Url | None = None
    """Where our agents open Chatwoot; with it, a mention has a link."""


class Zendesk(_Source):
    """Zendesk's webhooks come to `/webhooks/zendesk/{key}`; with a secret their signature is checked."""

    kind: Literal["zendesk"]
    key: Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
    secret_from: VariableName | None = None


class Replay(_Source):
    """A CSV or JSONL file of mentions, for drills and trials; lines that are added are read."""

    kind: Literal["replay"]
    file: Text
    """Within the plan's folder."""


SourceSpec = Annotated[
    Bluesky | Mastodon | X | Reddit | Feed | Imap | Chatwoot | Zendesk | Replay, Field(discriminator="kind")
]


class Listening(Frozen):
    """listening.yaml."""

    brands: Annotated[tuple[Brand, ...], Field(min_length=1)]
    sources: tuple[SourceSpec, ...] = ()
    languages: tuple[LanguageCode, ...] = ()
    """That people write in besides English and Spanish (`pt`, `fr`). Each one more makes short texts harder to tell."""
    late: Duration = timedelta(seconds=30)
    """Mentions are counted in the order in which they were written; for one that arrives later than this, in the order
    in which it arrived. Rules decide so much later; 10 minutes at most."""

    def brand(self, brand_id: str) -> Brand | None:
        return next((each for each in self.brands if each.id == brand_id), None)
