import pytest

from sitewright.local.demo_model.instruction_parser import EditRequest, understand


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("Add a new heading to the homepage", EditRequest("heading")),
        ('Add a new heading saying "Hello" to the menu page', EditRequest("heading", "menu", "Hello")),
        ('add a heading to the menu page saying "Hello"', EditRequest("heading", "menu", "Hello")),
        ("Add a heading saying Hello there to the homepage.", EditRequest("heading", "index", "Hello there")),
        ("Add a heading called „Grüß Gott“ to the about page", EditRequest("heading", "about", "Grüß Gott")),
        ("Add a heading saying 'We're open' to the homepage", EditRequest("heading", "index", "We're open")),
        ('Add a paragraph "A" to the homepage, please - "B"', EditRequest("paragraph", "index", "A")),
        ("Change the title of the about page to “Who we are”", EditRequest("title", "about", "Who we are")),
        ('Replace "old" with "new" on the contact page', EditRequest("replace", "contact", "new", "old")),
        ("Change the accent colour to dark green", EditRequest("colour", text="dark green")),
        ("change the color to #00aaFF please", EditRequest("colour", text="#00aaff please")),
        ('Add a new page called "Add a heading"', EditRequest("page", text="Add a heading")),
        ('Add a journal post titled "News"', EditRequest("post", text="News")),
        ("Delete the menu page", EditRequest("delete", "menu", "menu")),
        ('Remove the page titled "Our wedding cakes"', EditRequest("delete", text="Our wedding cakes")),
        ("Write 40 notes slowly, one every 0.5 seconds", EditRequest("notes", count=40, seconds=0.5)),
        ("Run the command: `echo a\necho b`", EditRequest("command", text="echo a\necho b")),
        ("-n --help Add a new heading to the homepage", EditRequest("heading")),
        ("/help Add a new heading to the homepage", EditRequest("heading")),
    ],
)
def test_what_is_understood(text: str, request_: EditRequest) -> None:
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
    assert understand(text) == EditRequest("none")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["add a heading ", 'replace "', "crumbs and ", "Change the colour to a "])
def test_200_kb_do_not_take_long(piece: str) -> None:
    understand(piece * (200_000 // len(piece)))
