"""The contract with one bug of this list planted in its source. A harness that misses one of them proves nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from infra.home import ROOT, cache

Change = tuple[str, str, str]  # file, what stands there, what the bug makes of it
GRANTS, TOKEN, HOLDERS = "Grants.sol", "EdgedropToken.sol", "Holders.sol"
HOLDS = "address public immutable hub;"
JUDGED = "return status == Status.Frozen || status == Status.Revoked ? Reason.Unproven : Reason.None;"

BUGS: dict[str, tuple[Change, ...]] = {
    "overlapping_lease": ((GRANTS, "if (before & mask != 0) return false;", ""),),
    "no_ceiling": ((GRANTS, "l.quota > tier.maxLease || total > tier.operatorCap", "false"),),
    "zero_signer": ((GRANTS, "return key != address(0) && key ==", "return key =="),),
    "one_bad_entry_reverts": (
        (
            TOKEN,
            "if (reason != Reason.None) emit Skipped(id, reason, i);",
            "require(reason == Reason.None || i > MAX_ITEMS);",
        ),
    ),
    "payer_is_not_sender": ((TOKEN, "this.collect(currency, msg.sender,", "this.collect(currency, operator,"),),
    "root_replaced": (
        (GRANTS, HOLDS, f"{HOLDS} mapping(bytes32 => bytes32) private _last;"),
        (
            GRANTS,
            "issuedRoot[grantId][root] = true;",
            "issuedRoot[grantId][_last[grantId]] = false; _last[grantId] = root; issuedRoot[grantId][root] = true;",
        ),
    ),
    "close_out_below_checkpoint": ((GRANTS, "high > quota || high < _covered[grantId][t]", "high > quota"),),
    "close_out_not_terminal": ((GRANTS, "_set(grantId, Status.Closed);", ""),),
    "issued_at_accepted_after_revoke": (
        (
            TOKEN,
            "|| status == Status.Revoked ? Reason",
            "|| (status == Status.Revoked && batch.issuedAt > 9) ? Reason",
        ),
    ),
    "revoke_forgotten": ((TOKEN, "|| status == Status.Revoked ? Reason", "? Reason"),),
    "current_epoch_check": (
        (GRANTS, HOLDS, f"{HOLDS} bytes32 internal _current;"),
        (GRANTS, "emit GrantOpened(grantId, key);", "emit GrantOpened(grantId, key); _current = grantId;"),
        (TOKEN, JUDGED, f"if (batch.grantId != _current) return Reason.BadBatch; {JUDGED}"),
    ),
    "nullifier_not_bound": (
        (TOKEN, "used = _getAux(receiver);", "used = _getAux(address(uint160(receiver) % 1));"),
        (TOKEN, "_setAux(receiver,", "_setAux(address(uint160(receiver) % 1),"),
    ),
    "claim_key_not_spent": ((TOKEN, "else claimKeyUsed[claimKey] = true;", ""),),
    "quota_off_by_one": ((TOKEN, "item.seq >= lease.quota", "item.seq > lease.quota"),),
    "unfreeze_reopens": ((GRANTS, "grant.closed ? Status.Closed : Status.Open", "Status.Open"),),
    "nonce_not_spent": (
        (HOLDERS, "_useNonce(account, act.nonce);", "if (act.nonce == 1) _useNonce(account, act.nonce);"),
    ),
    "one_holder_counts_twice": ((HOLDERS, "if (given.holder < next) revert BadHolders();", ""),),
    "reclaim_frees_minted": ((GRANTS, "if (_exists(first + offset)) mask", "if (false) mask"),),
    "redeem_by_ignored": ((TOKEN, "if (block.timestamp > lease.redeemBy) return Reason.TooLate;", ""),),
}


def solc_missing() -> str:
    """Why nothing can be planted here, or nothing."""
    return "" if (cache() / "npm" / "node_modules" / "solc").exists() else "type: toolchain/setup --contracts"


def compiled(name: str, folder: Path) -> bytes:
    """The artifact of the contract with this bug."""
    shutil.copytree(ROOT / "contracts", folder / name)
    for file, there, bug in BUGS[name]:
        path = folder / name / "src" / file
        source = path.read_text()
        if source.count(there) != 1:
            raise ValueError(f"{name}: {file} has no longer one `{there}`")
        path.write_text(source.replace(there, bug))
    made = subprocess.run(
        ["node", str(folder / name / "build.mjs"), str(cache() / "npm" / "node_modules")],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ValueError(f"{name} does not compile: {made.stderr}")
    return (folder / name / "build" / "EdgedropToken.json").read_bytes()
