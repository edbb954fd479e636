// The vectors as ethers sees them: nothing of ours hashes here. `node check.mjs <node_modules> <vectors>`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, vectors] = process.argv.slice(2);
const e = createRequire(join(modules, "none.js"))("ethers");
const read = (name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8"));
const fields = (text) => text.split(",").map((field) => ({ type: field.split(" ")[0], name: field.split(" ")[1] }));
const TYPES = {
  Voucher: "bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash",
  Batch: "bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt",
  Claim: "string drop,uint8 tier,uint8 slot,bytes32 claimHash",
  KeyClaim: "string drop,uint8 tier,bytes32 claimHash",
  Receive: "bytes32 leafHash,address receiver",
};
const LEASE = "uint8 tier,uint40 start,uint32 quota,uint40 notBefore,uint40 redeemBy";
const struct = (name, value) => e.TypedDataEncoder.hashStruct(name, { [name]: fields(TYPES[name]) }, value);
const typed = (name, told, value) => {
  const domain = { name: "Edgedrop", version: "1", chainId: told.chain_id, verifyingContract: told.contract };
  return e.TypedDataEncoder.hash(domain, { [name]: fields(TYPES[name]) }, value);
};
const ACTS = {
  CloseOut: "bytes32 grantId,uint32[] highSeqs",
  Freeze: "bytes32 grantId,uint256 nonce,uint256 deadline",
  Revoke: "bytes32 grantId,uint256 nonce,uint256 deadline",
  Unfreeze: "bytes32 grantId,uint256 nonce,uint256 deadline",
  AddRoots: "bytes32 grantId,bytes32[] roots,uint32[] highSeqs,uint256 nonce,uint256 deadline",
  OpenGrant: "bytes32 grantId,address key,Lease[] leases,uint256 nonce,uint256 deadline",
  Reclaim: "bytes32 grantId,uint8 tier,uint32 fromSeq,uint256 nonce,uint256 deadline",
  MintLost: "bytes32 grantId,uint8 tier,uint32[] seqs,address[] receivers,uint256 nonce,uint256 deadline",
};
const sorted = (a, b) => e.keccak256(e.concat([a, b].sort()));
const climb = (leaf, proof) => proof.reduce(sorted, leaf);
let checked = 0;
const same = (a, b) => { assert.equal(a.toLowerCase(), b.toLowerCase()); checked += 1; };

for (const { voucher, leaf, digest, key } of read("voucher").vouchers) {
  same(struct("Voucher", voucher.voucher), leaf);
  same(climb(leaf, voucher.proof), voucher.batch.root);
  same(typed("Batch", voucher, voucher.batch), digest);
  same(e.recoverAddress(digest, voucher.signature), key);
  same(e.id(voucher.claim_id), voucher.voucher.claimHash);
}
for (const claim of read("voucher").claims) {
  same(typed("Claim", claim, { drop: claim.drop, tier: claim.tier, slot: claim.slot, claimHash: e.id(claim.claim_id) }), claim.digest);
}
for (const claim of read("voucher").key_claims) {
  same(typed("KeyClaim", claim, { drop: claim.drop, tier: claim.tier, claimHash: e.id(claim.claim_id) }), claim.digest);
  same(e.recoverAddress(claim.digest, claim.signature), claim.key);
}
for (const { leaf_hash, receiver, digest, struct_hash, key, signature, ...told } of read("receive")) {
  same(struct("Receive", { leafHash: leaf_hash, receiver }), struct_hash);
  same(typed("Receive", told, { leafHash: leaf_hash, receiver }), digest);
  same(e.recoverAddress(digest, signature), key);
}
for (const { type, message, digest, key, signature, ...told } of read("act")) {
  const types = { [type]: fields(ACTS[type]), ...(message.leases ? { Lease: fields(LEASE) } : {}) };
  const domain = { name: "Edgedrop", version: "1", chainId: told.chain_id, verifyingContract: told.contract };
  same(e.TypedDataEncoder.hash(domain, types, message), digest);
  same(e.recoverAddress(digest, signature), key);
}
for (const { root, proofs } of read("merkle")) {
  for (const { index, leaf, proof } of proofs) {
    same(e.keccak256(e.toBeHex(index, 32)), leaf);
    same(climb(leaf, proof), root);
  }
}
for (const { receipt, chain } of read("receipt").receipts) {
  const { voucher, anchor, manifest } = receipt;
  same(e.recoverAddress(typed("Batch", voucher, voucher.batch), voucher.signature), chain.key);
  same(receipt.path, [voucher.drop, voucher.node, receipt.epoch, voucher.batch.batchSeq, struct("Voucher", voucher.voucher)].join("/"));
  if (anchor) same(climb(typed("Batch", voucher, voucher.batch), anchor.proof), anchor.root);
  if (manifest) {
    const text = (told) => e.toUtf8Bytes(JSON.stringify(told, Object.keys(told).sort()));
    const root = climb(e.keccak256(e.keccak256(text(manifest.entry))), manifest.proof);
    same(e.sha256(text({ schema: 2, drop: voucher.drop, count: manifest.count, root })), chain.manifest_digest);
  }
}
console.log(checked);
