"""What is wrong with a request to the API, in plain words at the field's path."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from tocsin.web.fields import AMOUNT
from tocsin.web.problems import problem_of


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Annotated[str, StringConstraints(min_length=1, max_length=5)] = "x"
    code: Annotated[str, StringConstraints(min_length=3)] = "abc"
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = ("a",)
    count: Annotated[int, Field(ge=1, le=9)] = 1
    at: AwareDatetime | None = None
    kind: Literal["a", "b"] = "a"
    link: Annotated[str, StringConstraints(pattern=r"^(https?://[!-~]+)?$")] = ""
    amount: Annotated[str, StringConstraints(pattern=AMOUNT)] = "1"
    state: Annotated[str, StringConstraints(pattern="^(open|all)$")] = "open"
    on: bool = True


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"title": ""}, "title: must not be empty"),
        ({"title": "longer"}, "title: has at most 5 characters"),
        ({"title": 7}, "title: must be a text"),
        ({"code": "a"}, "code: has at least 3 characters"),
        ({"names": []}, "names: must not be empty"),
        ({"names": ["a", "b", "c"]}, "names: takes at most 2"),
        ({"names": ["a", 1]}, "names.1: must be a text"),
        ({"count": 0}, "count: is 1 or more"),
        ({"count": 10}, "count: is 9 or less"),
        ({"count": "many"}, "count: must be a whole number"),
        ({"at": "yesterday"}, "at: is no time such as 2027-03-28T02:30Z"),
        ({"at": "2027-03-28T02:30"}, "at: needs a time zone, as in 2027-03-28T02:30Z"),
        ({"kind": "c"}, "kind: must be 'a' or 'b'"),
        ({"link": "not a url"}, "link: must be an address such as https://example.com/post, without blanks"),
        ({"amount": "-1"}, "amount: must be an amount such as 12.50"),
        ({"state": "shut"}, "state: must be open or all"),
        ({"on": "perhaps"}, "on: must be true or false"),
        ({"other": 1}, "other: is not known here"),
    ],
)
def test_a_mistake_is_told_in_plain_words_at_its_place(asked: dict[str, Any], said: str):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Asked).validate_python(asked)
    (error,) = refused.value.errors()
    assert problem_of({**error, "loc": ("body", *error["loc"])}) == said
