"""Secrets of others that we must keep: encrypted before they are stored, under a key that is never stored beside them.

The key comes out of `SECRET_KEY` by HKDF, one for each purpose, so that what was sealed for one is noise to another.
Source: RFC 5869 (HKDF), https://cryptography.io/en/latest/fernet/ (Fernet).
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.settings import Settings, require


class Unreadable(ValueError):
    """Sealed under another key, for another purpose, or altered."""


class Seal:
    """Encrypts and decrypts for one purpose.

    >>> seal = Seal("a long secret", "links")
    >>> seal.open(seal.close(b"a token"))
    b'a token'
    """

    def __init__(self, secret: str, purpose: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"ghost-rhymes/{purpose}".encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived.derive(secret.encode())))

    @classmethod
    def of(cls, settings: Settings, purpose: str) -> Seal:
        """The seal of this installation.

        Raises:
            SettingMissing: SECRET_KEY.
        """
        return cls(require(settings, "secret_key", "it seals the tokens of linked accounts"), purpose)

    def close(self, content: bytes) -> bytes:
        """Encrypted; the same content looks different each time."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            Unreadable: this seal did not close it.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise Unreadable("sealed under another key") from None
