"""Recognises secrets by their shape, such as `ghp_…`, and masks them. Pure.

The agent, a build or a client may show a key that we do not know: it stands in a file of the site. Prefixes and alphabets
are those of gitleaks (https://github.com/gitleaks/gitleaks, config/gitleaks.toml); shorter texts count too.
"""

import math
import re

MASK = "***"

_KEPT = 4
"""Characters that stay, so that the reader knows which kind it is."""

_PRIVATE = (
    r"sk-ant-[\w-]{16,}",  # Anthropic
    r"sk-(?:proj|svcacct|admin)-[\w-]{20,}|sk-[A-Za-z0-9]{40,}",  # OpenAI
    r"gh[opusr]_[\w.]{19,}\w|github_pat_\w{20,}",  # GitHub
    r"gl(?:pat|ptt|dt|rt|cbt)-[\w.-]{16,}\w",  # GitLab
    r"npm_[A-Za-z0-9]{36}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"[rs]k_(?:live|prod|test)_[A-Za-z0-9]{10,}",  # Stripe
)
_OFTEN_PUBLIC = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",  # AWS: the id of a key, which is secret with its second half only
    r"AIza[\w-]{35}",  # Google: also the keys of maps, which stand in each page that shows one
    r"ey[\w-]{17,}\.ey[\w-]{17,}\.[\w-]{10,}",  # a JSON web token: also the public key of a hosted database
)
"""Shapes that a website may have to show. They are masked, and no reason to refuse an edit."""
# JSON within a text has a line end as the two characters "\\n".
_TOKEN = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:{'|'.join((*_PRIVATE, *_OFTEN_PUBLIC))})", re.ASCII)
_SURELY = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_PRIVATE)})", re.ASCII)
_DIFFERENT = 8
"""Different characters of a secret, at least. `ghp_xxxx…` in a text is an example."""


_NAMED = re.compile(r"(aws.?secret.?access.?key\W{1,6})[A-Za-z0-9/+]{40}", re.IGNORECASE)
_IN_URL = re.compile(r"(\bhttps?://[^\s/:@]{0,100}:)[^\s/@]{3,200}(?=@)")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN[ A-Z0-9]{0,60}PRIVATE KEY-----)(?=[\s\\nr]{0,20}[\w+/:-]{9}).*?(?:-----END[ A-Z0-9]{0,60}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_KEY_LINE = re.compile(r"^([ \t]{0,20})(?=[0-9a-fA-F]{0,63}[G-Zg-z+/])[A-Za-z0-9+/]{64}$", re.MULTILINE)
"""A line of a private key. A log has each line for itself. 64 digits of a hash are none."""

_ASSIGNED = re.compile(
    r"((?:(?:api|access|auth|private|signing)[_-]?(?:key|token)|secret|token|passw(?:or)?d|credential|authorization)[\w-]{0,20}"
    r"[\"'`]?\s{0,3}(?:=>|:=|[=:])\s{0,3}[\"'`]?(?:(?:bearer|basic|token)\s)?)([\w+=-]{16,150})(?![\w+=./-])",
    re.IGNORECASE | re.ASCII,
)
"""A value of no known shape beside a name that tells what it is. Without slashes and dots: those are paths and hosts."""

_ENTROPY = 3.5
"""Bits a character of a random value: that of gitleaks' rule `generic-api-key`, which wants a digit too."""


def masked(text: str) -> str:
    """Returns the text with `***` in place of what looks like a secret."""
    text = _PRIVATE_KEY.sub(rf"\1{MASK}", text)
    text = _KEY_LINE.sub(rf"\1{MASK}", text)
    text = _IN_URL.sub(rf"\1{MASK}", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    text = _TOKEN.sub(lambda found: found[0][:_KEPT] + MASK, text)
    return _ASSIGNED.sub(lambda found: found[1] + (MASK if _is_random(found[2]) else found[2]), text)


def secrets_in(text: str) -> list[str]:
    """Returns what surely is a secret in a text, a line each: what no site shows and git hosts refuse."""
    found = [one[0] for one in _SURELY.finditer(text)]
    found += [one[0].splitlines()[-1] for one in _NAMED.finditer(text)]
    for one in _PRIVATE_KEY.finditer(text):
        lines = one[0].splitlines()
        found.append(lines[1] if len(lines) > 1 else lines[0][:200])
    return [one for one in dict.fromkeys(map(str.strip, found)) if len(set(one.lower())) >= _DIFFERENT]


def _is_random(value: str) -> bool:
    if not (any(c.isdigit() for c in value) and any(c.isalpha() for c in value)):
        return False
    counts = (value.count(c) / len(value) for c in set(value))
    return -sum(share * math.log2(share) for share in counts) >= _ENTROPY
