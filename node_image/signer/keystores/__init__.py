"""Where a grant's key lives, by URI: `pkcs11:` (SoftHSM2, or any module by path), `awskms:`, `file:` for unit tests.

Every kind takes a quota, `quota-per-second=14&burst=28`: what the HSM is known or allowed to do. One file a kind.
"""

from __future__ import annotations

from node_image.signer.keystores.base import HsmFault, Key, Keystore, Misfit, QuotaSpent, Report
from node_image.signer.keystores.open import Shared, open_keystore, refuse_plain_keys

__all__ = [
    "HsmFault",
    "Key",
    "Keystore",
    "Misfit",
    "QuotaSpent",
    "Report",
    "Shared",
    "open_keystore",
    "refuse_plain_keys",
]
