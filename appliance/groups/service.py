"""The rules of groups."""

from appliance.audit import service as audit
from appliance.errors import AlreadyExists, InUse, NotFound
from appliance.groups import repository
from appliance.groups.schemas import GroupChange, GroupDefinition, GroupFilter, GroupView, NewGroup
from appliance.installation import Transaction
from appliance.models import Group
from appliance.policy import levels
from appliance.policy import service as policy
from appliance.schema import EVERYTHING, Page, Paging
from appliance.wording import counted


async def page(work: Transaction, wanted: GroupFilter = GroupFilter(), paging: Paging = EVERYTHING) -> Page[GroupView]:
    """List groups, by themselves by name."""
    rows, total = await repository.page(work.session, wanted, paging)
    counted = await repository.count_users(work.session, [row.id for row in rows])
    return Page(items=[_view(row, counted.get(row.id, 0)) for row in rows], total=total)


async def show(work: Transaction, name: str) -> GroupView:
    """Show one group.

    Raises:
        NotFound: there is no such group.
    """
    return await _show(work, await find(work, name))


async def add(work: Transaction, new: NewGroup) -> GroupView:
    """Add a group.

    Raises:
        AlreadyExists: the name is taken.
        Invalid, NotFound: what is said for its users cannot be.
    """
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a group {new.name} already", field="name")
    await policy.check(work, new.policy)
    group = Group(name=new.name, description=new.description, policy=new.policy.stored())
    work.session.add(group)
    await work.session.flush()
    view = await _show(work, group)
    audit.record(work, "group.add", group.name, after=view)
    return view


async def change(work: Transaction, name: str, wanted: GroupChange, *, whole_policy: bool = False) -> GroupView:
    """Change a group. What its users may reach changes at once, the rest at their next login.

    Args:
        work: The transaction.
        name: Of the group.
        wanted: What to change.
        whole_policy: Its policy is all that is said, not a change to it.

    Raises:
        NotFound: there is no such group, or the policy names what does not exist.
        LostUpdate: somebody else changed it since.
        Invalid: what is said cannot be.
    """
    group = await find(work, name)
    before = await _show(work, group)
    work.expect(before)
    if "description" in wanted.model_fields_set:
        group.description = wanted.description
    if "policy" in wanted.model_fields_set:
        said = wanted.policy if whole_policy else policy.laid_over(levels.said(group), wanted.policy)
        await policy.check(work, said)
        group.policy = said.stored()
    await work.session.flush()
    after = await _show(work, group)
    audit.record(work, "group.change", group.name, before=before, after=after)
    return after


async def define(work: Transaction, name: str, wanted: GroupDefinition) -> tuple[GroupView, bool]:
    """Have a group so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate, Invalid, NotFound: as ``add`` and ``change`` do.
    """
    new = NewGroup(name=name, description=wanted.description, policy=wanted.policy)
    if await repository.find(work.session, new.name) is None:
        work.expect(None)
        return await add(work, new), True
    whole = GroupChange(description=new.description, policy=new.policy)
    return await change(work, new.name, whole, whole_policy=True), False


async def remove(work: Transaction, name: str) -> None:
    """Remove a group.

    Raises:
        NotFound: there is no such group.
        InUse: local users are in it.
    """
    group = await find(work, name)
    view = await _show(work, group)
    work.expect(view)
    if view.users:
        raise InUse(f"group {name} has {counted(view.users, 'user')}", remedy="put them in another one first")
    await work.session.delete(group)
    audit.record(work, "group.remove", group.name, before=view)


async def find(work: Transaction, name: str) -> Group:
    """Give the row of a group.

    Raises:
        NotFound: there is no such group.
    """
    group = await repository.find(work.session, name.strip().lower())
    if group is None:
        raise NotFound(f"there is no group {name}", field="group")
    return group


async def _show(work: Transaction, group: Group) -> GroupView:
    counted = await repository.count_users(work.session, [group.id])
    return _view(group, counted.get(group.id, 0))


def _view(group: Group, users: int) -> GroupView:
    return GroupView(
        name=group.name,
        description=group.description,
        policy=levels.said(group),
        users=users,
        created_at=group.created_at,
        changed_at=group.changed_at,
    )
