"""The tables, one module a noun.

The database is the contract between the processes: gateways, panel and command line share nothing
else. Tables are made and changed only by ``migrations/``; a test holds the two together.
"""

from appliance.models.accounting import AccountingRecord, AccountingStatus
from appliance.models.administrators import Administrator, Ceremony, Passkey, Role, SignIn
from appliance.models.admitted_sessions import AdmittedSession
from appliance.models.audit import AuditEntry
from appliance.models.backups import BackupRun
from appliance.models.certificates import (
    Authority,
    Certificate,
    CertificatePurpose,
    CertificateRequest,
    NodeNames,
    RevocationCheck,
    RevocationReason,
)
from appliance.models.client_profiles import DownloadLink
from appliance.models.columns import Base
from appliance.models.commands import Command, CommandOutcome, Verb
from appliance.models.events import Event, EventKind
from appliance.models.groups import BasePolicy, Group
from appliance.models.nodes import Node, Revision
from appliance.models.pools import Lease, Pool
from appliance.models.portal import PortalSignIn
from appliance.models.profiles import Preset, Profile
from appliance.models.radius import MessageAuthenticator, PasswordMethod, RadiusServer
from appliance.models.realms import Realm, RealmKind
from appliance.models.refusals import Refusal
from appliance.models.samples import Sample
from appliance.models.second_factors import SecondFactor
from appliance.models.sessions import Session
from appliance.models.settings import Setting
from appliance.models.stored_stays import StoredStay
from appliance.models.throttles import Throttle
from appliance.models.tokens import Scope, Token
from appliance.models.transfers import Transfer
from appliance.models.users import User

__all__ = [
    "AccountingRecord",
    "AccountingStatus",
    "Administrator",
    "AdmittedSession",
    "AuditEntry",
    "Authority",
    "BackupRun",
    "Base",
    "BasePolicy",
    "Ceremony",
    "Certificate",
    "CertificatePurpose",
    "CertificateRequest",
    "Command",
    "CommandOutcome",
    "DownloadLink",
    "Event",
    "EventKind",
    "Group",
    "Lease",
    "MessageAuthenticator",
    "Node",
    "NodeNames",
    "Passkey",
    "PasswordMethod",
    "Pool",
    "PortalSignIn",
    "Preset",
    "Profile",
    "RadiusServer",
    "Realm",
    "RealmKind",
    "Refusal",
    "Revision",
    "RevocationCheck",
    "RevocationReason",
    "Role",
    "Sample",
    "Scope",
    "SecondFactor",
    "Session",
    "Setting",
    "SignIn",
    "StoredStay",
    "Throttle",
    "Token",
    "Transfer",
    "User",
    "Verb",
]
