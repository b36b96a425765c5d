"""Looks at posts and visuals, page by page; keeps in the spool which row follows from each post."""

from __future__ import annotations

from collections.abc import Sequence

from workers.creators.rows import post_key
from workers.domain.stored import StoredObject
from workers.embedder.objects import stored_visual_ids
from workers.verify.look import Look
from workers.verify.posts import compare_post, wrong_from_the_start

_POSTS = 200
"""Posts that are held at once, with their visuals."""


async def look_at_posts(look: Look) -> None:
    """Each post against its visuals."""
    total = await look.listing.count("Post")
    page: list[StoredObject] = []
    async for post in look.listing.objects("Post"):
        look.count("post", total)
        page.append(post)
        if len(page) == _POSTS:
            await _page(look, page)
            page = []
    await _page(look, page)


async def look_at_visuals(look: Look) -> None:
    """Each visual: whether a post counts it."""
    total = await look.listing.count("Visual")
    async for visual in look.listing.objects("Visual", vectors=False, properties=("post_id", "creator_id")):
        look.count("visual", total)
        if look.spool.expected("visual", visual.id.bytes) is not None:
            continue
        creator_id, post_id = (str(visual.properties.get(name, "")) for name in ("creator_id", "post_id"))
        key = post_key(creator_id, post_id)
        if look.spool.expected("row", key) is None and look.row(key) and not look.is_erased(creator_id):
            # Of a post that is missing: once it is back, it counts the visual again.
            continue
        look.wrong("extra", "visual", str(visual.id), creator_id, f"no post counts it (it says {post_id!r})", post_id)


async def _page(look: Look, page: Sequence[StoredObject]) -> None:
    model = look.rules.fold.model_version
    posts = [post for post in page if _belongs(look, post)]
    ids = [id_ for post in posts for id_ in stored_visual_ids(post, model)]
    visuals = await look.store.fetch("Visual", ids, vectors=True) if ids else {}
    for post in posts:
        found = compare_post(post, visuals, look.rules.fold, look.rules.scoring)
        for difference in found.differences:
            look.keep(difference)
        for id_ in stored_visual_ids(post, model):
            look.spool.expect("visual", id_.bytes)
        # What cannot be told from the post is expected all the same: whoever has the row must not call it missing.
        look.spool.expect("row", post_key(found.creator_id, found.post_id), found.encode())


def _belongs(look: Look, post: StoredObject) -> bool:
    creator_id, post_id = (str(post.properties.get(name, "")) for name in ("creator_id", "post_id"))
    wrong = wrong_from_the_start(post, look.rules.fold.model_version)
    if wrong is None and look.is_erased(creator_id):
        wrong = "its creator is erased"
    if wrong is not None:
        look.wrong("extra", "post", str(post.id), creator_id, wrong, post_id)
    return wrong is None
