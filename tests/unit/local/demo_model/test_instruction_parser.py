import pytest

from sitewright.local.demo_model.instruction_parser import Request, understand


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("Add a new heading to the homepage", Request("heading")),
        ('Add a new heading saying "Hello" to the menu page', Request("heading", "menu", "Hello")),
        ('add a heading to the menu page saying "Hello"', Request("heading", "menu", "Hello")),
        ("Add a heading saying Hello there to the homepage.", Request("heading", "index", "Hello there")),
        ("Add a heading called „Grüß Gott“ to the about page", Request("heading", "about", "Grüß Gott")),
        ("Add a heading saying 'We're open' to the homepage", Request("heading", "index", "We're open")),
        ('Add a paragraph "A" to the homepage, please - "B"', Request("paragraph", "index", "A")),
        ("Change the title of the about page to “Who we are”", Request("title", "about", "Who we are")),
        ('Replace "old" with "new" on the contact page', Request("replace", "contact", "new", "old")),
        ("Change the accent colour to dark green", Request("colour", text="dark green")),
        ("change the color to #00aaFF please", Request("colour", text="#00aaff please")),
        ('Add a new page called "Add a heading"', Request("page", text="Add a heading")),
        ('Add a journal post titled "News"', Request("post", text="News")),
        ("Delete the menu page", Request("delete", "menu", "menu")),
        ('Remove the page titled "Our wedding cakes"', Request("delete", text="Our wedding cakes")),
        ("Write 40 notes slowly, one every 0.5 seconds", Request("notes", count=40, seconds=0.5)),
        ("Run the command: `echo a\necho b`", Request("command", text="echo a\necho b")),
        ("-n --help Add a new heading to the homepage", Request("heading")),
        ("/help Add a new heading to the homepage", Request("heading")),
    ],
)
def test_what_is_understood(text: str, request_: Request) -> None:
    assert understand(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is the meaning of life?",
        "Füge eine Überschrift hinzu",
        "ホームページに見出しを追加してください",
        "Change the accent colour to ",
        'Add a paragraph ""',
        "$(rm -rf /) `id`",
        "🥐🥐🥐",
    ],
)
def test_what_is_not(text: str) -> None:
    assert understand(text) == Request("none")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["add a heading ", 'replace "', "crumbs and ", "Change the colour to a "])
def test_200_kb_do_not_take_long(piece: str) -> None:
    understand(piece * (200_000 // len(piece)))
