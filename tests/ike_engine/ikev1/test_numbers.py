import pytest

from ike_engine import errors
from ike_engine.ikev1.numbers import AuthenticationMethod, NotifyType, XauthStatus


def test_every_failure_is_told_by_a_notify_that_reports_one() -> None:
    told = {
        failure.notify
        for failure in vars(errors).values()
        if isinstance(failure, type) and issubclass(failure, errors.IkeError) and failure.notify
    }

    assert all(number < NotifyType.CONNECTED and not NotifyType(number).name.startswith("UNKNOWN") for number in told)


def test_private_numbers_of_remote_access() -> None:
    assert AuthenticationMethod(64221) is AuthenticationMethod.HYBRID_INIT_RSA
    assert AuthenticationMethod(65001) is AuthenticationMethod.XAUTH_INIT_PRE_SHARED
    assert AuthenticationMethod(65005) is AuthenticationMethod.XAUTH_INIT_RSA


def test_an_unknown_method_is_kept() -> None:
    assert AuthenticationMethod(65500) == 65500


def test_a_login_has_no_third_outcome() -> None:
    with pytest.raises(ValueError, match="2 is not a valid XauthStatus"):
        XauthStatus(2)
