"""Signs commits with an SSH key, as `ssh-keygen -Y sign -n git` does.

The format is OpenSSH's (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig). The image has no
ssh-keygen, and no process but the runner may see the key.
"""

import base64
import hashlib
import struct
import textwrap
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from sitewright.contracts.secrets.secret_text import SecretTextError

_MAGIC = b"SSHSIG"
_VERSION = 1
_NAMESPACE = b"git"
_HASH = b"sha512"
_WIDTH = 70


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs commits."""

    key: Ed25519PrivateKey | RSAPrivateKey = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Reads a key of OpenSSH (`ssh-keygen -t ed25519 -N ''`). Raises SecretTextError, which names no value."""
        # A parameter that was stored from one line has the line ends as two characters.
        lines = text.strip().strip("\"'").replace("\\n", "\n").replace("\r", "")
        try:
            key = load_ssh_private_key(f"{lines.strip()}\n".encode(), password=None)
        except TypeError as error:
            raise SecretTextError("has a passphrase: store a key without one") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SecretTextError("is no private key of OpenSSH: paste all lines of the file") from error
        if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
            raise SecretTextError("is a key of another kind than ed25519 or RSA: make one with `ssh-keygen -t ed25519`")
        return cls(key)

    def sign(self, payload: bytes) -> str:
        """Returns the signature of a commit's content, in OpenSSH's armour."""
        signed = (_NAMESPACE, b"", _HASH, hashlib.sha512(payload).digest())
        data = _MAGIC + b"".join(map(_string, signed))
        if isinstance(self.key, Ed25519PrivateKey):
            name, signature = b"ssh-ed25519", self.key.sign(data)
        else:
            name, signature = b"rsa-sha2-512", self.key.sign(data, padding.PKCS1v15(), hashes.SHA512())
        parts = (self._public(), _NAMESPACE, b"", _HASH, _string(name) + _string(signature))
        whole = _MAGIC + struct.pack(">I", _VERSION) + b"".join(map(_string, parts))
        body = "\n".join(textwrap.wrap(base64.b64encode(whole).decode(), _WIDTH))
        return f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"

    def _public(self) -> bytes:
        line = self.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return base64.b64decode(line.split()[1])


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
