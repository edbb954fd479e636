"""moto's server with one thing put right: it hashes what KMS, told MessageType=DIGEST, signs as it is (moto 5.2)."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from moto import server
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey

_is_digest: ContextVar[bool] = ContextVar("_is_digest", default=False)
_sign_request, _sign = KmsResponse.sign, ECDSAPrivateKey.sign


def sign_request(self: KmsResponse) -> str:
    """Remember what the request says of its message."""
    _is_digest.set(self._get_param("MessageType") == "DIGEST")
    return _sign_request(self)


def sign(self: ECDSAPrivateKey, message: bytes, signing_algorithm: str) -> bytes:
    """A digest is not hashed again."""
    if not _is_digest.get():
        return _sign(self, message, signing_algorithm)
    key: Any = self.private_key
    return bytes(key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))


def main() -> None:
    """Serve, with moto's own arguments."""
    KmsResponse.sign = sign_request  # type: ignore[method-assign]
    ECDSAPrivateKey.sign = sign  # type: ignore[method-assign]
    server.main()


if __name__ == "__main__":
    main()
