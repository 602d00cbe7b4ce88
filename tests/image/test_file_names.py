"""Names that a bucket refuses never block a site: the command says so, and the next publish works."""

import pytest

from tests.support.image.attacker import Attacker

NAMES = {
    "a control character": r"""node -e 'require("fs").writeFileSync("dist/a\u0001b.html", "x")'""",
    "a line break": r"""node -e 'require("fs").writeFileSync("dist/a\nb.html", "x")'""",
    "not UTF-8": r"""python3 -c 'import os; os.close(os.open(b"dist/a\xff.html", os.O_CREAT | os.O_WRONLY))'""",
    "over 1,024 bytes": """python3 -c 'import os; p = "dist" + ("/" + "d" * 200) * 6; os.makedirs(p); open(p + "/i", "w")'""",
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_s3_refuses_blocks_nothing(names: Attacker, kind: str) -> None:
    sent, answer = names.tell(f"cat > attack <<'END'\n{NAMES[kind]}\nEND\n")

    assert answer["pushed"] is True, answer
    assert answer["status"] == "succeeded", answer
    if not answer["deploySuccess"]:
        assert answer["error"]["code"] not in {"publish_failed", "internal_error"}, answer["error"]
        assert answer["error"]["remedy"]
    # Another session, without that script.
    names.edit_goes_live()
    # The same session, which takes the script away.
    _, answer = names.tell("rm attack; date > public/now.txt", after=sent)
    assert answer["deploySuccess"] is True, answer


def test_links_and_pipes_in_dist_publish_nothing_of_the_machine(build: Attacker) -> None:
    plant = (
        "ln -s /proc/1/environ dist/environ.txt; ln -s /etc/passwd dist/passwd.txt; ln -s / dist/root; "
        "ln -s /workspace/private dist/private; ln /etc/hostname dist/hostname.txt 2>/dev/null; mkfifo dist/pipe.txt; "
        "ln -s ../.git/config dist/config.txt"
    )

    sent, answer = build.tell(f"printf %s '{plant}' > attack")

    assert answer["status"] == "succeeded", answer
    assert answer["pushed"] is True, answer
    published = build.site.keys()
    assert not [key for key in published if key.startswith(("root/", "private/"))]
    for name in ("environ.txt", "passwd.txt", "hostname.txt", "pipe.txt", "config.txt"):
        assert name not in published
    _, answer = build.tell("rm attack; date > public/now.txt", after=sent)
    assert answer["deploySuccess"] is True, answer
