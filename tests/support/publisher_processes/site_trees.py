"""Different builds of a small site. Assets are named by their content, like Astro's."""

import hashlib
import random
from pathlib import Path
from urllib.parse import quote

Tree = dict[str, bytes]

ODD = ["größe 100% + mehr/index.html", "a+b.html", "50%25 off/index.html", "日本語/index.html", "q'uo&te/index.html"]
_PAGES = ["index.html", "about/index.html", "journal/index.html", "journal/one/index.html", "journal/two/index.html"]


def hashed(name: str, content: bytes) -> str:
    """Returns the key of a hashed asset."""
    stem, _, suffix = name.rpartition(".")
    return f"_astro/{stem}.{hashlib.sha256(content).hexdigest()[:8]}.{suffix}"


def tree(seed: int) -> Tree:
    """Returns the build of a seed. Between builds, styles, pages and other files appear, change and disappear."""
    choice = random.Random(seed)
    made: Tree = {}
    looks = []
    for look in choice.sample(range(5), 2):
        picture = f"picture {look}".encode() * 20
        made[hashed("bread.webp", picture)] = picture
        style = f"body{{background:url(/{hashed('bread.webp', picture)})}}/* {look} */".encode()
        made[hashed("look.css", style)] = style
        looks.append(hashed("look.css", style))
    script = f"console.log({choice.randrange(3)})".encode()
    made[hashed("app.js", script)] = script
    made["images/logo + 1.svg"] = f"<svg><!-- {choice.randrange(4)} --></svg>".encode()
    # Files of the folder `public`: fixed names with changing content, which loads files of its own.
    drawing, module = f"images/drawing {choice.randrange(6)}.svg", f"modules/m{choice.randrange(6)}.js"
    made[drawing], made[module] = b"<svg></svg>", b"export default 1"
    made["site.css"] = f"body{{background:url(/{quote(drawing)})}}".encode()
    made["main.js"] = f'import one from "/{module}"'.encode()
    made["robots.txt"] = b"" if choice.random() < 0.5 else b"User-agent: *\n"
    if choice.random() < 0.5:
        made["feed.xml"] = f"<rss>{seed}</rss>".encode()
    pages = ["index.html", *choice.sample(_PAGES[1:] + ODD[:2], choice.randrange(1, 6))]
    for page in pages:
        own = f"own/{page}.svg"  # comes and goes with its page
        made[own] = b"<svg/>"
        loads = [choice.choice(looks), hashed("app.js", script), "images/logo + 1.svg", "site.css", "main.js", own]
        shown = "".join(f'<img src="/{quote(key)}">' for key in loads)
        shown += "".join(f'<a href="/{quote(key)}"></a>' for key in pages)
        text = f"{page} {choice.randrange(3)}"
        made[page] = f"<!doctype html><html>{shown}<p>{text}</p></html>".encode()
    return made


def write(made: Tree, folder: Path) -> Path:
    """Writes a build to a new folder."""
    for key, content in made.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
