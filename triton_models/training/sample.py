"""The small set of artwork that the demo's sample world is composed of: `python -m triton_models.training.sample`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from triton_models.training.artwork import art_files, fetch_packages, read_concepts

STYLE = "google"  # Noto Emoji, Apache License 2.0: see sample_artwork/LICENSE
NICHES = {
    "fitness": "flexed biceps|person lifting weights|person biking|boxing glove|running shoe|person swimming|"
    "person running|sports medal|person in lotus position|martial arts uniform|person rowing boat|1st place medal",
    "beauty": "lipstick|nail polish|mirror|lotion bottle|soap|person getting massage|person getting haircut|"
    "kiss mark|rose|hair pick|gem stone|ribbon",
    "italian food": "pizza|spaghetti|wine glass|tomato|cheese wedge|olive|garlic|bread|clinking glasses|fork and knife|"
    "shallow pan of food|canned food|cooking",
    "coffee and baking": "hot beverage|croissant|doughnut|cookie|pancakes|cupcake|waffle|shortcake|teapot|bagel|"
    "pie|custard|chocolate bar|birthday cake",
    "beach travel": "beach with umbrella|airplane|palm tree|luggage|desert island|sailboat|umbrella on ground|"
    "tropical fish|spiral shell|person surfing|world map|bikini|passport control",
    "winter sports": "skis|snowboarder|skier|snow-capped mountain|snowflake|ice skate|snowman|sled|ice hockey|"
    "gloves|scarf|cold face",
    "gaming": "video game|joystick|game die|alien monster|puzzle piece|slot machine|desktop computer|crossed swords|"
    "keyboard|dragon face",
    "music": "guitar|microphone|headphone|musical notes|violin|drum|trumpet|saxophone|musical keyboard|radio|banjo|"
    "accordion|studio microphone|musical score",
    "pets": "dog face|cat face|dog|cat|rabbit|hamster|parrot|poodle|fish|turtle|paw prints|bone|guide dog|black cat",
    "fashion": "dress|handbag|high-heeled shoe|jeans|necktie|woman’s hat|ring|coat|sunglasses|crown|kimono|t-shirt|"
    "woman’s boot|purse",
    "technology and crypto": "laptop|mobile phone|robot|money bag|chart increasing|coin|battery|satellite|credit card|"
    "computer mouse|dollar banknote|technologist|optical disk|light bulb",
    "gardening": "potted plant|sunflower|seedling|tulip|carrot|cherry blossom|cactus|herb|blossom|hibiscus|ear of corn|"
    "deciduous tree|shovel|lady beetle",
    "parenting": "baby|baby bottle|teddy bear|baby angel|breast-feeding|pregnant woman|child|"
    "woman feeding baby|balloon|kite|yo-yo|nesting dolls",
    "cars": "automobile|racing car|sport utility vehicle|taxi|oncoming automobile|pickup truck|motorcycle|fuel pump|"
    "wheel|motorway|vertical traffic light|police car|motor scooter",
    "books": "open book|books|closed book|bookmark tabs|notebook with decorative cover|green book|blue book|"
    "fountain pen|glasses|pencil|orange book|newspaper|scroll",
    "football": "soccer ball|goal net|stadium|trophy|running shirt|american football|megaphone|rugby football",
}
LEFT_OUT = frozenset({"musical score", "paw prints"})  # too alike others: the bundled model does not tell them


def write_sample(modules: Path, out: Path) -> None:
    """Copies the pictures of `NICHES` and writes index.json: niche -> [{file, name, keywords}]."""
    concepts = {concept.name: concept for concept in read_concepts(modules)}
    files = art_files(modules, STYLE)
    out.mkdir(parents=True, exist_ok=True)
    index: dict[str, list[dict[str, object]]] = {}
    for old in out.glob("*.png"):
        old.unlink()
    for niche, names in NICHES.items():
        known = [concepts[n] for n in names.split("|") if n in concepts and n not in LEFT_OUT]
        index[niche] = [{"file": f"{c.key}.png", "name": c.name, "keywords": list(c.keywords)} for c in known]
        for concept in known:
            shutil.copyfile(files[concept.key], out / f"{concept.key}.png")
    (out / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_sample(fetch_packages(Path(sys.argv[1])), Path(__file__).parents[1] / "sample_artwork")
