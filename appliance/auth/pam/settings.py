"""What an administrator says of a PAM realm."""

from typing import Annotated

from pydantic import AfterValidator, Field

from appliance.auth.pam.messages import MOST_SECONDS, service_name
from appliance.schema import Schema


class PamSettings(Schema):
    """How a PAM realm asks."""

    service: Annotated[
        str, AfterValidator(service_name), Field(description="PAM service: the name of a file in /etc/pam.d.")
    ]
    timeout_seconds: Annotated[float, Field(ge=1, le=MOST_SECONDS, description="How long PAM may think.")] = 10.0
    minimum_uid: Annotated[
        int,
        Field(ge=0, le=2**31, description="Accounts of this machine below it are refused: root and system accounts."),
    ] = 1000
    strip_domain: Annotated[bool, Field(description="Hand on what stands before the @ of a name.")] = False
    lower_case: Annotated[bool, Field(description="Hand names on in lower case.")] = True
    open_session: Annotated[
        bool, Field(description="Open a PAM session for the length of the stay; a process is kept for each.")
    ] = False
