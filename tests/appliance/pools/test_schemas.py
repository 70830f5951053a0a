"""What is an address and what is not, before anything is done with it."""

import pytest
from pydantic import ValidationError

from appliance.pools.schemas import PoolChange


@pytest.mark.parametrize("field", ["dns", "wins"])
@pytest.mark.parametrize("value", [True, 1, None, 3232235777])
def test_a_number_is_no_address(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match="write an address as text"):
        PoolChange.model_validate({field: [value]})


@pytest.mark.parametrize("field", ["networks", "split_include", "split_exclude", "reachable"])
@pytest.mark.parametrize("value", [True, 0, None])
def test_a_number_is_no_network(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match="write a network as text"):
        PoolChange.model_validate({field: [value]})
