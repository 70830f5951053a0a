"""Forms: what a browser sends becomes what a service takes, and comes back marked when that refuses it."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from pydantic import SecretStr, ValidationError
from starlette.datastructures import FormData

from appliance.errors import Invalid
from appliance.pools.schemas import PoolChange
from appliance.profiles.schemas import ProfileChange
from appliance.schema import Schema
from webui.forms import Form, read, wrong


class Thing(Schema):
    name: str
    note: str = "was there"
    parent: str | None = "somebody"
    count: int | None = 3
    good: bool = True
    words: tuple[str, ...] = ("before",)
    key: SecretStr | None = None


def test_each_kind_of_field() -> None:
    sent = FormData(
        [
            ("shown", "good"),
            ("name", "a"),
            ("note", ""),
            ("parent", ""),
            ("count", "7"),
            ("words", "two words\r\nthree"),
            ("key", ""),
        ]
    )
    thing = read(sent, Thing)
    assert thing == Thing(name="a", note="", parent=None, count=7, good=False, words=("two words", "three"), key=None)
    assert read(FormData([("name", "a"), ("good", "true")]), Thing, "name", "good").model_fields_set == {"name", "good"}


def test_networks_are_separated_by_anything() -> None:
    sent = FormData([("networks", "10.0.0.0/29, 10.1.0.0/29\n10.2.0.0/29")])
    read_ = read(sent, PoolChange, "networks")
    assert read_.networks == (IPv4Network("10.0.0.0/29"), IPv4Network("10.1.0.0/29"), IPv4Network("10.2.0.0/29"))


def test_boxes_of_one_name_are_a_list_and_an_empty_choice_is_none() -> None:
    sent = FormData([("modes", "main"), ("modes", "aggressive"), ("authentication", "hybrid-rsa"), ("pool", "")])
    change = read(sent, ProfileChange, "modes", "authentication", "pool")
    assert [mode.value for mode in change.modes] == ["main", "aggressive"]
    assert change.pool is None


def test_a_refused_form_is_as_it_was_but_marked() -> None:
    sent = FormData([("networks", "10.0.0.1/29"), ("modes", "main"), ("modes", "aggressive")])
    with pytest.raises(ValidationError) as refusal:
        read(sent, PoolChange, "networks")
    form = Form.refused(sent, refusal.value)
    assert form.text("networks") == "10.0.0.1/29"
    assert "did you mean 10.0.0.0/29?" in form.wrong["networks"]
    assert form.has("modes", "aggressive")
    assert not form.has("modes", "aggress")


def test_what_no_database_keeps_is_refused_at_its_field() -> None:
    with pytest.raises(Invalid) as refusal:
        read(FormData([("name", "a\0b"), ("note", "fine")]), Thing)
    assert wrong(refusal.value) == {"name": "has the character NUL, which nothing here has; type it anew"}


def test_secrets_are_not_sent_back() -> None:
    assert Form({"key": SecretStr("secret")}).text("key") == ""


def test_what_a_service_says_is_put_to_its_field_with_the_remedy() -> None:
    assert wrong(Invalid("too weak", field="password", remedy="take more")) == {"password": "too weak; take more"}
    with pytest.raises(KeyError):
        wrong(KeyError("a fault of ours is no word for people"))
