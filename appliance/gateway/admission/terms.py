"""On which terms a user who proved to be one comes in: now or not, with which address, until when.

Policy decides (``appliance.policy``); the words of every refusal say which level of it does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from shlex import quote
from typing import TYPE_CHECKING

from appliance.auth.verdicts import Claim
from appliance.gateway.admission.networks_behind import Holder
from appliance.gateway.admission.shared_pools import BehindAnother, DatabaseAway
from appliance.gateway.admission.simultaneous_sessions import Newcomer, Present
from appliance.gateway.record.stay import Whose
from appliance.policy.access_hours import AccessHours
from appliance.policy.attributes import SecondFactor, WhenTooMany
from appliance.policy.effective import DEFAULT, Effective, Policies
from appliance.wording import octets
from ike_engine.actions import HOST_MASK, Configuration, Refused, Rejected
from ike_engine.events import Goodbye
from ike_engine.ikev1.storage import CannotResume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from appliance.gateway.admission.leases import Lease, Leases
    from appliance.gateway.admission.networks_behind import NetworksBehind
    from appliance.gateway.admission.reachability import Reachability
    from appliance.gateway.admission.shared_pools import SharedPools
    from appliance.gateway.admission.simultaneous_sessions import SimultaneousSessions
    from appliance.gateway.admission.transfers import Transfers
    from appliance.gateway.record.stay import Stay
    from appliance.policy.attributes import AccessPolicy
    from ike_engine.actions import Configure

_NOBODY = Claim(realm="")
_DOCTOR = "coati doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """When a session must end, and why."""

    at: datetime
    goodbye: Goodbye
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was decided for one user at one login.

    Attributes:
        profile: Name of the connection profile.
        claim: What the realm said.
        effective: What counts.
        networks: What is behind the client.
        end: When the session must end at the latest; ``None``: nothing says so.
    """

    profile: str
    claim: Claim
    effective: Effective
    networks: tuple[IPv4Network, ...] = ()
    end: End | None


class Admission:
    """Decides for one gateway.

    Args:
        node: The gateway's name.
        leases: Who has which address here.
        pools: Where addresses come from.
        reachability: Sees to what they may reach.
        networks: Knows which networks are behind whom.
        sessions: Counts those of one user.
        transfers: Knows what was transferred.
        disconnect: Ends the session of a peer.
        catch_up: Learns what a user transferred by other gateways; ``None``: there are no others.
    """

    def __init__(
        self,
        node: str,
        leases: Leases,
        pools: SharedPools,
        reachability: Reachability,
        networks: NetworksBehind,
        sessions: SimultaneousSessions,
        transfers: Transfers,
        *,
        disconnect: Callable[[int, str, Goodbye], None],
        catch_up: Callable[[Whose], Awaitable[None]] | None = None,
    ) -> None:
        self._node = node
        self._leases = leases
        self._pools = pools
        self._reachability = reachability
        self._networks = networks
        self._sessions = sessions
        self._transfers = transfers
        self._disconnect = disconnect
        self._catch_up = catch_up
        self._policies = Policies()
        self._pool_ids: Mapping[str, int] = {}

    def reconfigure(self, policies: Policies, pool_ids: Mapping[str, int]) -> None:
        """Decide by this from now on. What live sessions may reach is changed by ``review``."""
        self._policies = policies
        self._pool_ids = pool_ids

    def effective(self, profile: str, claim: Claim) -> Effective:
        """Say what counts for a login that a realm accepted."""
        return self._policies.resolve(
            profile,
            group=self._policies.group_of(claim.groups, claim.group),
            user=claim.policy,
            login=claim.attributes,
        )

    def second_factor(self, profile: str, claim: Claim) -> SecondFactor:
        """Say whether a login takes a one-time code as well."""
        return self.effective(profile, claim).policy.second_factor or SecondFactor.ENROLLED

    async def refusal(self, profile: str, user: str, claim: Claim, now: datetime) -> Rejected | None:
        """Say why a user may not come in at this hour, although the login is good."""
        effective = self.effective(profile, claim)
        policy, levels = effective.policy, effective.levels
        if not AccessHours.from_text(policy.access_hours or "").allow(now):
            return Rejected(
                f"user {user!r} may not come in at this hour: {policy.access_hours} ({_said(levels, 'access_hours')})",
                f"other hours are set by: {_command(levels['access_hours'], user)} access-hours=...",
                claim,
            )
        whose = Whose.of(claim, user)
        if policy.quota_octets and self._catch_up is not None:
            await self._catch_up(whose)
        if (used := self._transfers.used_up(whose, policy, now)) is not None:
            return Rejected(
                f"user {user!r} has used up the quota of this {policy.quota_period}: {octets(used)} of "
                f"{octets(policy.quota_octets or 0)} ({_said(levels, 'quota_octets')})",
                f"it begins anew by itself; a larger one: {_command(levels['quota_octets'], user)} quota-octets=...",
                claim,
            )
        return None

    async def configure(self, question: Configure, now: datetime) -> Configuration | Refused:
        """Give an address and what comes with it."""
        claim = question.claim if isinstance(question.claim, Claim) else _NOBODY
        profile = question.peer.profile
        effective = self.effective(profile, claim)
        policy = effective.policy
        terms = Terms(
            profile=profile,
            claim=claim,
            effective=effective,
            networks=policy.routes or (),
            end=_end(effective, claim, now),
        )
        if policy.simultaneous_sessions and (too_many := await self._make_room(question, terms, now)) is not None:
            return too_many
        try:
            lease = await self._take(question, terms, now)
        except DatabaseAway as failure:
            return Refused(f"no address can be given: the database that gateways share is away ({failure})", _DOCTOR)
        except BehindAnother as conflict:
            return _somewhere_else(question.user, effective.levels, conflict.user, str(conflict))
        if isinstance(lease, Refused):
            return lease
        if terms.networks and (refused := await self._take_networks(question, terms, lease)) is not None:
            return refused
        return await self._configuration(lease, terms)

    async def resume(self, stay: Stay, now: datetime) -> Configuration:
        """Let a session of an earlier process go on: with the address that it has, on the terms of today.

        Args:
            stay: Its terms are set.
            now: The time.

        Returns:
            What holds for the client.

        Raises:
            CannotResume: its address is not to be had any more.
        """
        columns, claim = stay.columns, stay.claim or _NOBODY
        effective = self.effective(columns["profile"], claim)
        terms = Terms(
            profile=columns["profile"],
            claim=claim,
            effective=effective,
            networks=tuple(columns["networks"]),  # its Child SAs carry them already
            end=_end(effective, claim, columns["started_at"]),
        )
        address = IPv4Address(columns["virtual_ip"])
        pool_id = self._leases.pool_of(address)
        if pool_id is None:
            raise CannotResume(f"{address} is in no pool any more")
        try:
            lease = await self._pools.take(
                pool_id, stay.user, stay.peer_id, now, hostname=columns["hostname"], wanted=address, terms=terms
            )
        except DatabaseAway as failure:
            raise CannotResume(f"the database that gateways share is away ({failure})") from failure
        except BehindAnother as conflict:
            raise CannotResume(str(conflict)) from conflict
        if lease is None:
            raise CannotResume(f"{address} is taken")
        if terms.networks and (why := await self._hold_networks(stay.peer_id, lease, terms.networks)) is not None:
            raise CannotResume(why)
        stay.altered(terms)
        return await self._configuration(lease, terms)

    async def _configuration(self, lease: Lease, terms: Terms) -> Configuration:
        effective, policy = terms.effective, terms.effective.policy
        filtered = await self._reachability.let(_sources(lease), policy.reachable or ())
        said = effective.levels["reauthenticate_on_rekey"] != DEFAULT
        return Configuration(
            address=lease.address,
            netmask=policy.netmask or HOST_MASK,
            dns=policy.dns or (),
            wins=policy.wins or (),
            domain=policy.domain or "",
            split_include=policy.split_include or (),
            split_exclude=policy.split_exclude or (),
            split_dns=policy.split_dns or (),
            banner=policy.banner or "",
            save_password=bool(policy.save_password),
            reachable=policy.reachable or (),
            filtered=filtered,
            behind=terms.networks,
            reauthenticate_on_rekey=policy.reauthenticate_on_rekey if said else None,
        )

    def review(self, fresh: Mapping[int, tuple[str, AccessPolicy]]) -> None:
        """Have live sessions reach what they may reach now; the rest of their terms stays until the next login.

        Args:
            fresh: The group and the policy of local users, by key; who is left out keeps what was known.
        """
        for peer_id, lease in self._leases.items():
            if (terms := lease.terms) is None:
                continue
            claim = terms.claim
            if claim.account is not None and claim.account in fresh:
                group, policy = fresh[claim.account]
                claim = replace(claim, group=group, policy=policy)
            self._settle(peer_id, lease, replace(terms, claim=claim, effective=self.effective(terms.profile, claim)))

    def alter(self, peer_id: int, said: Callable[[Claim], Claim], began_at: datetime) -> Terms | None:
        """Have a live session go on under other terms, for its realm says something else of it now.

        Args:
            peer_id: Whose.
            said: Gives what the realm says now for what it said before.
            began_at: When the session began; limits count from there.

        Returns:
            The new terms; ``None``: there is no such session, or it has none.
        """
        lease = self._leases.of_peer(peer_id)
        if lease is None or lease.terms is None:
            return None
        claim = said(lease.terms.claim)
        effective = self.effective(lease.terms.profile, claim)
        terms = replace(lease.terms, claim=claim, effective=effective, end=_end(effective, claim, began_at))
        self._settle(peer_id, lease, terms)
        return terms

    def _settle(self, peer_id: int, lease: Lease, terms: Terms) -> None:
        """Have these terms count instead of those that the lease has."""
        reachable = terms.effective.policy.reachable or ()
        if lease.terms is not None and reachable != lease.terms.effective.policy.reachable:
            self._reachability.change(_sources(lease), reachable)
        self._leases.replace_terms(peer_id, terms)

    def gone(self, peer_id: int) -> None:
        """A peer is going: nobody will have its address."""
        if (lease := self._leases.of_peer(peer_id)) is not None:
            self._reachability.forget(_sources(lease))
        self._networks.release(peer_id)
        self._sessions.release(peer_id)

    async def _make_room(self, question: Configure, terms: Terms, now: datetime) -> Refused | None:
        user, effective = question.user, terms.effective
        whose, most = Whose.of(terms.claim, user), effective.policy.simultaneous_sessions or 0
        here = [
            Present(lease.taken_at, self._node, peer_id)
            for peer_id, lease in self._leases.of_user(whose)
            if peer_id != question.peer_id
        ]
        newcomer = Newcomer(
            node=self._node,
            peer_id=question.peer_id,
            whose=whose,
            user=user,
            at=now,
            most=most,
            replace=effective.policy.when_too_many is WhenTooMany.REPLACE,
        )
        too_many = await self._sessions.admit(newcomer, here)
        if too_many is None:
            return None
        where = f" (on {', '.join(too_many.elsewhere)})" if too_many.elsewhere else ""
        if too_many.lingering:
            return Refused(
                f"user {user!r} came in anew, but {', '.join(too_many.elsewhere)} does not end the session that it has",
                "see its log, or restart it: coati gateway list",
            )
        level = effective.levels["simultaneous_sessions"]
        return Refused(
            f"user {user!r} has {too_many.present} sessions already{where}; {most} is the most "
            f"({_said(effective.levels, 'simultaneous_sessions')})",
            f"disconnect one (coati session disconnect), or: {_command(level, user)} "
            "simultaneous-sessions=... or when-too-many=replace",
        )

    async def _take(self, question: Configure, terms: Terms, now: datetime) -> Lease | Refused:
        user, policy = question.user, terms.effective.policy
        if policy.address is not None:
            return await self._take_address(question, policy.address, terms, now)
        if policy.pool is None:
            return Refused("there is no address pool", "coati pool add")
        pool_id = self._pool_ids.get(policy.pool)
        if pool_id is None:
            return Refused(
                f"there is no pool {policy.pool!r} ({_said(terms.effective.levels, 'pool')})",
                f"coati pool add {policy.pool}, or name another one there",
            )
        lease = await self._pools.take(pool_id, user, question.peer_id, now, hostname=question.hostname, terms=terms)
        if lease is None:
            return Refused(
                f"pool {policy.pool!r} is exhausted: all of its {self._leases.size(pool_id)} addresses are taken",
                f"give it another network (coati pool set {policy.pool}), or disconnect sessions that are not needed",
            )
        return lease

    async def _take_networks(self, question: Configure, terms: Terms, lease: Lease) -> Refused | None:
        """Have the networks behind the client be its own from now on."""
        user, networks, levels = question.user, terms.networks, terms.effective.levels
        said, remedy = _said(levels, "routes"), _other_routes(levels, user)
        if (obstacle := self._networks.obstacle(networks, question.peer.path)) is not None:
            return Refused(f"a network behind user {user!r} ({said}) cannot be there: {obstacle}", remedy)
        replaces = terms.effective.policy.when_too_many is WhenTooMany.REPLACE
        while (conflict := self._networks.conflict(networks, question.peer_id)) is not None:
            holder, words = conflict
            if holder.whose != lease.whose or not replaces:
                return _somewhere_else(user, levels, holder.user, words)
            self._disconnect(holder.peer_id, f"user {user!r} came in anew with {words}", Goodbye.REPLACED)
            self._networks.release(holder.peer_id)
        if (failure := await self._hold_networks(question.peer_id, lease, networks)) is not None:
            return Refused(f"a network behind user {user!r} ({said}) cannot be routed: {failure}", remedy)
        return None

    async def _hold_networks(self, peer_id: int, lease: Lease, networks: tuple[IPv4Network, ...]) -> str | None:
        """Have them routed to this client; give why they cannot be."""
        if (conflict := self._networks.conflict(networks, peer_id)) is not None:
            return conflict[1]
        return await self._networks.take(
            Holder(peer_id, lease.whose, lease.user, lease.taken_at, lease.address, networks)
        )

    async def _take_address(
        self, question: Configure, address: IPv4Address, terms: Terms, now: datetime
    ) -> Lease | Refused:
        where = f"address {address} of user {question.user!r} ({_said(terms.effective.levels, 'address')})"
        pool_id = self._leases.pool_of(address)
        if pool_id is None:
            return Refused(f"{where} is in no pool", "give a pool a network with it: coati pool set NAME --network ...")
        holder = self._leases.holder(address)
        replaces = terms.effective.policy.when_too_many is WhenTooMany.REPLACE
        if holder is not None and holder[1].whose == Whose.of(terms.claim, question.user) and replaces:
            self._disconnect(holder[0], f"user {question.user!r} came in anew for {address}", Goodbye.REPLACED)
            holder = None
        if holder is not None and holder[0] != question.peer_id:
            return Refused(
                f"{where} is in use by user {holder[1].user!r} since {holder[1].taken_at:%Y-%m-%d %H:%M} UTC",
                f"disconnect that session (coati session disconnect --user {holder[1].user})",
            )
        lease = await self._pools.take(
            pool_id, question.user, question.peer_id, now, hostname=question.hostname, wanted=address, terms=terms
        )
        return lease or Refused(f"{where} is held by another gateway", "coati pool leases")


def _other_routes(levels: Mapping[str, str], user: str) -> str:
    return f"name others: {_command(levels['routes'], user)} routes=... (RADIUS: Framed-Route)"


def _somewhere_else(user: str, levels: Mapping[str, str], holder: str, words: str) -> Refused:
    """Refuse a client because another one, of ``holder``, has a network behind it."""
    return Refused(
        f"a network behind user {user!r} ({_said(levels, 'routes')}) is somewhere else already: {words}",
        f"disconnect that session (coati session disconnect --user {quote(holder)}), or {_other_routes(levels, user)}",
    )


def _sources(lease: Lease) -> tuple[IPv4Network, ...]:
    """Give from where the packets of a client may come."""
    return (IPv4Network(lease.address), *lease.networks)


def _end(effective: Effective, claim: Claim, now: datetime) -> End | None:
    policy = effective.policy
    ends = []
    if policy.session_limit_seconds:
        limit = timedelta(seconds=policy.session_limit_seconds)
        reason = f"the session lasted {limit} ({_said(effective.levels, 'session_limit_seconds')})"
        ends.append(End(at=now + limit, goodbye=Goodbye.SESSION_LIMIT, reason=reason))
    if (over := AccessHours.from_text(policy.access_hours or "").end_after(now)) is not None:
        reason = f"the access hours are over: {policy.access_hours} ({_said(effective.levels, 'access_hours')})"
        ends.append(End(at=over, goodbye=Goodbye.ACCESS_HOURS, reason=reason))
    if claim.expires_at is not None:
        ends.append(End(at=claim.expires_at, goodbye=Goodbye.AUTHORITY, reason="the user's account expired"))
    return min(ends, key=lambda end: end.at, default=None)


def _said(levels: Mapping[str, str], attribute: str) -> str:
    """Say which level decides, to the administrator."""
    level = levels[attribute]
    words = {
        "default": "by default",
        "base": "said for everybody",
        "user": "said for this user",
        "login": "said by the realm",
    }
    return words.get(level, f"said for {level}")


def _command(level: str, user: str) -> str:
    """Give the command that would change it."""
    if level == "user":
        return f"coati user set {quote(user)}"
    if level.startswith("group "):
        return f"coati group set {level.removeprefix('group ')}"
    return "coati policy set"
