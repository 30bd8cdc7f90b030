"""A caller is who its certificate names: one organization of this federation, or nobody."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from homeroom.errors import CallerUnknownError
from homeroom.identity import Identity, Role
from services.runtime.identity import (
    ServicerContext,
    caller_of,
    current_caller,
    remember_caller,
)

NODE = Identity("test.example", "anytown", Role.NODE)
APP = Identity("test.example", "helpers", Role.APP)


class Context:
    """A call's context, as TLS has filled it."""

    def __init__(self, *names: str, **other: list[bytes]) -> None:
        self._names = [name.encode() for name in names]
        self._other = other

    def auth_context(self) -> Mapping[str, Any]:
        return self._other | {"x509_subject_alternative_name": self._names}


def caller(context: Context, federation: str = "test.example") -> Identity:
    return caller_of(cast("ServicerContext", context), federation)


def test_the_caller_is_the_one_that_the_certificate_names() -> None:
    assert caller(Context(NODE.dns_name, NODE.uri)) == NODE


@pytest.mark.parametrize(
    "names",
    [
        (),
        (NODE.dns_name,),
        (NODE.uri, APP.uri),
        (NODE.uri, NODE.uri),
        (NODE.uri, "https://elsewhere.example"),
        ("https://test.example/org/anytown/node",),
        ("spiffe://test.example/org/anytown",),
        ("spiffe://test.example/org/anytown/node/more",),
        ("spiffe://test.example/org/anytown/janitor",),
        ("spiffe://test.example/org/Any Town/node",),
        ("spiffe:///org/anytown/node",),
        ("spiffe://other.example/org/anytown/node",),
    ],
)
def test_any_other_certificate_names_nobody(names: tuple[str, ...]) -> None:
    with pytest.raises(CallerUnknownError):
        caller(Context(*names))


def test_a_call_without_a_certificate_is_nobodys() -> None:
    class Bare:
        def auth_context(self) -> Mapping[str, Any]:
            return {}

    with pytest.raises(CallerUnknownError):
        caller_of(cast("ServicerContext", Bare()), "test.example")


def test_a_common_name_names_nobody() -> None:
    with pytest.raises(CallerUnknownError):
        caller(Context(x509_common_name=[NODE.uri.encode()]))


def test_the_admitted_caller_is_remembered_for_the_call() -> None:
    remember_caller(APP)

    assert current_caller() == APP
