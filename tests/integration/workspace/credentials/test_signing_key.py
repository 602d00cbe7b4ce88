"""Signatures that ssh-keygen and git accept, and keys that cannot sign."""

import shutil
import subprocess
from pathlib import Path

import pytest
from workspace.credentials.signing_key import SigningKey
from workspace.repository.checkout import Checkout
from workspace.repository.host_rules import signed_commits

from sitewright.contracts.secrets.secret_text import SecretTextError
from tests.support.workspace.runner_parts import git, make_checkout

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def key_file(folder: Path, *options: str, passphrase: str = "") -> Path:
    path = folder / "key"
    argv = ("ssh-keygen", "-q", "-N", passphrase, "-C", "site", "-f", str(path), *(options or ("-t", "ed25519")))
    subprocess.run(argv, check=True)
    return path


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048")])
def test_git_verifies_the_commits_of_a_session(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = key_file(tmp_path, *options)
    key = SigningKey.parse(file.read_text().replace("\n", "\\n"))
    checkout = make_checkout(tmp_path / "ws", "http://127.0.0.1:1/none.git")
    checkout.begin()
    checkout.set_tracking("main", commit(checkout, "First"))
    commit(checkout, "Ours")
    git(checkout.site, "checkout", "-q", "-b", "other", "HEAD^")
    commit(checkout, "Theirs\n\nof another")
    git(checkout.site, "checkout", "-q", "thread-t1")
    git(checkout.site, "merge", "-q", "-m", "Both", "other")
    before = git(checkout.site, "rev-parse", "HEAD^{tree}")
    head = signed_commits.sign_unsent(checkout, key.sign)
    assert head == checkout.head() and git(checkout.site, "rev-parse", "HEAD^{tree}") == before
    signers = tmp_path / "signers"
    signers.write_text(f"* {(tmp_path / 'key.pub').read_text()}")
    git(checkout.site, "config", "gpg.ssh.allowedSignersFile", str(signers))
    log = git(checkout.site, "log", "--format=%G? %s", "--topo-order")
    assert sorted(log.splitlines()) == ["G Both", "G Ours", "G Theirs", "N First"]
    assert git(checkout.site, "log", "-1", "--format=%b", "HEAD^2") == "of another"
    assert signed_commits.sign_unsent(checkout, key.sign) is None, "they are signed"
    git(checkout.site, "fsck", "--strict")


def commit(checkout: Checkout, message: str) -> str:
    (checkout.site / f"{message[:3]}.txt").write_text(message)
    git(checkout.site, "add", "-A")
    git(checkout.site, "commit", "-qm", message)
    return git(checkout.site, "rev-parse", "HEAD")


def test_a_key_that_cannot_sign_is_told_without_its_text(tmp_path: Path) -> None:
    locked = key_file(tmp_path, passphrase="secret words").read_text()
    (tmp_path / "key").unlink()
    other = key_file(tmp_path, "-t", "ecdsa").read_text()
    for text, says in (
        (locked, "passphrase"),
        (other, "another kind"),
        ("ssh-ed25519 AAAA", "no private key"),
        ("", "no"),
    ):
        with pytest.raises(SecretTextError, match=says) as refused:
            SigningKey.parse(text)
        assert "AAAA" not in str(refused.value)
