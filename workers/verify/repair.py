"""What mends a difference. Pure; every road but four leads through the worker whose thing it is.

- A post or visual that is not right: the post's own event is published again, and the embedder embeds what is missing
  or what was deleted because it had changed.
- Safety scores that are not right: the embedder is told to compute the post's anew from what is stored.
- A row that is not right: the stored post is announced again, and the creators worker writes its row.
- What ``creators`` says, or the indexer keeps, of a creator: one of the creator's posts or their profile is announced
  again, so that the creators worker says the creator again and the indexer writes it whole.
- A signal: one of the pair's decisions or outcomes is published again, and the outcomes worker says the signal again.
- What is left of an erased creator in a keyed worker's table: the erasure is said again as it was, and the row gets its
  tombstone on the changelog, in case that alone still has it.
- Extra objects are deleted, extra keys of ``creators`` and ``signals`` get their tombstone, and a signal none of whose
  events is kept any more is written from its facts: by verify itself (docs/decisions, "Verify mends through the
  owners").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from workers.verify.differences import COLLECTION, Difference

Pair = tuple[str, str]
"""Brand and creator."""


@dataclass(slots=True)
class Plan:
    """``posts``: creator by post to be published again; ``anew``: of these, the ones to be embedded from nothing.

    ``rescored``: creator by post whose scores are to be computed anew.
    ``rows``: creator by post to be announced; ``creators``: to be said again; ``delete``: ids by collection;
    ``ahead``: the Creator objects, by creator, that may claim to be newer than all that is said, which the indexer
    would leave alone. ``tombstones``: keys by topic. ``visuals``: to be deleted where their post's event is at hand.
    ``erased``: creators whose rows are to go, and ``forgotten``: pairs whose facts are.
    """

    posts: dict[str, str] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)
    visuals: dict[UUID, str] = field(default_factory=dict)
    rescored: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    creators: set[str] = field(default_factory=set)
    ahead: dict[str, UUID] = field(default_factory=dict)
    pairs: set[Pair] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    forgotten: set[Pair] = field(default_factory=set)
    delete: dict[str, set[UUID]] = field(default_factory=dict)
    tombstones: dict[str, set[str]] = field(default_factory=dict)


def plan_for(differences: Iterable[Difference]) -> Plan:
    """The plan for all of them; a difference that nothing mends asks for nothing, and is found again afterwards."""
    plan = Plan()
    for each in differences:
        if each.what == "extra":
            _remove(plan, each)
        else:
            _restore(plan, each)
    for post_id in plan.posts:
        # Its own event leads to its scores and its announcement.
        plan.rescored.pop(post_id, None)
        plan.rows.pop(post_id, None)
    return plan


def _remove(plan: Plan, each: Difference) -> None:
    if each.kind in COLLECTION:
        plan.delete.setdefault(COLLECTION[each.kind], set()).add(UUID(each.id))
    elif each.kind in ("update", "signal"):
        plan.tombstones.setdefault("creators" if each.kind == "update" else "signals", set()).add(each.id)
    elif each.kind == "row":
        plan.erased.add(each.key)
    elif each.kind == "fact":
        brand_id, _, creator_id = each.id.partition("|")
        plan.forgotten.add((brand_id, creator_id))


def _restore(plan: Plan, each: Difference) -> None:
    match each.kind:
        case "post":
            plan.posts[each.post_id] = each.key
            if each.what == "drifted":
                plan.anew.add(each.post_id)
        case "visual":
            plan.posts[each.post_id] = each.key
            if each.what != "missing":
                plan.visuals[UUID(each.id)] = each.post_id
        case "row":
            if each.post_id and each.what != "drifted":
                plan.rows[each.post_id] = each.key
        case "safety":
            plan.rescored[each.post_id] = each.key
        case "signal":
            brand_id, _, creator_id = each.id.partition("|")
            plan.pairs.add((brand_id, creator_id))
        case _:
            plan.creators.add(each.key)
            if each.kind == "creator" and each.what == "drifted":
                plan.ahead[each.key] = UUID(each.id)
