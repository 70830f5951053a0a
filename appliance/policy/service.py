"""The rules of policy: what may be said at which level, and what counts in the end."""

from pydantic import ValidationError

from appliance.audit import service as audit
from appliance.errors import Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import BasePolicy, User
from appliance.policy import levels, repository
from appliance.policy.attributes import AccessPolicy
from appliance.policy.effective import Effective
from appliance.policy.schemas import BasePolicyView, EffectiveValue, EffectiveView, PolicyQuestion
from appliance.wording import mistake


async def show_base(work: Transaction) -> BasePolicyView:
    """Show what is said for everybody."""
    return _view(await repository.base(work.session))


async def change_base(work: Transaction, change: AccessPolicy, *, whole: bool = False) -> BasePolicyView:
    """Change what is said for everybody.

    Args:
        work: The transaction.
        change: What is said; attributes that are ``null`` say nothing any more.
        whole: It is all that is said: what is left out says nothing any more.

    Raises:
        LostUpdate: somebody else changed it since.
        Invalid: it does not fit together, or names what does not exist.
    """
    base = await repository.base(work.session)
    before = _view(base)
    work.expect(before)
    said = change if whole else laid_over(levels.said(base), change)
    await check(work, said)
    if said.stored() != before.policy.stored():
        if base is None:
            base = repository.new_base()
            work.session.add(base)
        base.policy = said.stored()
    await work.session.flush()
    after = _view(base)
    audit.record(work, "policy.change", "everybody", before=before, after=after)
    return after


async def effective(work: Transaction, name: str, question: PolicyQuestion = PolicyQuestion()) -> EffectiveView:
    """Say what counts for a local user, and where each value comes from.

    Raises:
        NotFound: there is no such user or profile.
    """
    return await _resolved(work, await _user(work, name), question.profile)


async def beneath_user(work: Transaction, name: str) -> EffectiveView:
    """Say what counts for a local user where nothing is said for it alone.

    Raises:
        NotFound: there is no such user.
    """
    user = await _user(work, name)
    return await _resolved(work, User(name=user.name, group_id=user.group_id, policy={}))


async def beneath_groups(work: Transaction) -> EffectiveView:
    """Say what counts for the users of a group where nothing is said for it."""
    return await _resolved(work, User(name="", policy={}))


async def beneath_everybody(work: Transaction) -> EffectiveView:
    """Say what counts where nothing is said for everybody."""
    return await _resolved(work, User(name="", policy={}), based=False)


async def _user(work: Transaction, name: str) -> User:
    user = await repository.user(work.session, name.strip().lower())
    if user is None:
        raise NotFound(f"there is no user {name}")
    return user


async def _resolved(work: Transaction, user: User, profile: str = "", *, based: bool = True) -> EffectiveView:
    profiles = await repository.profiles(work.session)
    serving = next((each.name for each in profiles if profile in ("", each.name)), "")
    if profile and not serving:
        raise NotFound(f"there is no profile {profile}", field="profile")
    groups = await repository.groups(work.session)
    group = next((each.name for each in groups if each.id == user.group_id), "")
    base = await repository.base(work.session) if based else None
    policies = levels.policies(base, groups, await repository.pools(work.session), profiles)
    counts = policies.resolve(serving, group=group, user=AccessPolicy.model_validate(user.policy))
    return EffectiveView(user=user.name, profile=serving, group=group or None, values=values(counts))


def values(counts: Effective) -> list[EffectiveValue]:
    """Give what counts, attribute by attribute, and where each value comes from."""
    shown = counts.policy.model_dump(mode="json")
    return [
        EffectiveValue(attribute=attribute, value=shown[attribute], level=counts.levels[attribute])
        for attribute in AccessPolicy.model_fields
    ]


def laid_over(present: AccessPolicy, change: AccessPolicy) -> AccessPolicy:
    """Give ``present`` with ``change`` laid over it.

    Raises:
        Invalid: the two do not fit together.
    """
    try:
        return present.changed(change)
    except ValidationError as error:
        raise Invalid(mistake(error.errors()[0]), field="policy") from None


async def check(work: Transaction, said: AccessPolicy, *, of_user: str | None = None) -> None:
    """See that what is said can be done.

    Args:
        work: The transaction.
        said: All that the level says.
        of_user: Name of the user that it is said for; ``None``: for several.

    Raises:
        Invalid: an address for several users, in no pool, or that another user has; a network behind clients where
            virtual IPs are; a pool that is not there.
    """
    pools = await repository.pools(work.session)
    if said.pool is not None and said.pool not in [pool.name for pool in pools]:
        raise Invalid(f"there is no pool {said.pool}", field="policy.pool")
    for network in said.routes or ():
        for taken in (taken for pool in pools for taken in pool.networks if taken.overlaps(network)):
            raise Invalid(
                f"{network} cannot be behind a client: virtual IPs are taken from {taken}",
                field="policy.routes",
                remedy="name the networks as they are behind the client; its own virtual IP is carried without it",
            )
    if said.address is None:
        return
    if of_user is None:
        raise Invalid(
            "an address is for one user alone", field="policy.address", remedy="say it for the user, not for a group"
        )
    where = f"{said.address} is no address that a client can have"
    if not any(said.address in network.hosts() for pool in pools for network in pool.networks):
        raise Invalid(
            f"{where}: no pool has it",
            field="policy.address",
            remedy="give a pool a network with it: coati pool set NAME --network ...",
        )
    for other, policy in (await repository.said_of_users(work.session)).items():
        if other != of_user and policy.get("address") == str(said.address):
            raise Invalid(f"{said.address} is user {other}'s", field="policy.address")


def _view(base: BasePolicy | None) -> BasePolicyView:
    return BasePolicyView(policy=levels.said(base), changed_at=base.changed_at if base is not None else None)
