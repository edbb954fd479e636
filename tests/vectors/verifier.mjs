// The browser's verifier core against the vectors: `node verifier.mjs <node_modules> <vectors> <verify.js>`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, vectors, core] = process.argv.slice(2);
globalThis.ethers = createRequire(join(modules, "none.js"))(join(modules, "ethers", "dist", "ethers.umd.min.js"));
createRequire(join(modules, "none.js"))(core);
const { read, audit, climb, NotVerified } = globalThis.edgedrop;
const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const json = (told) => new TextEncoder().encode(JSON.stringify(told));
const load = (name) => JSON.parse(readFileSync(join(vectors, `${name}.json`), "utf8"));
const { receipts, broken, asset } = load("receipt");
const states = (steps) => Object.fromEntries(steps.map((step) => [step.name, step.checked]));

for (const { receipt, compact, chain } of receipts) {
  const found = read(json(receipt));
  assert.deepEqual(normal(read(bytes(compact)).receipt), normal(found.receipt));
  const steps = audit(found, { chain, asset: receipt.manifest && bytes(asset.slice(2)) });
  const not = Object.entries(states(steps)).filter(([, checked]) => !checked).map(([name]) => name);
  assert.deepEqual(not, receipt.manifest ? ["timestamp", "contract"] : ["manifest", "asset", "anchor", "timestamp", "contract"]);
  assert.equal(states(audit(found)).key, false);
  assert.equal(states(audit(found, { key: chain.key })).key, true);
  assert.equal(read(json(receipt.voucher)).receipt, null);
}

const [full] = receipts;
for (const { path, value } of broken) {
  const told = structuredClone(full.receipt);
  const way = path.split(".");
  const last = way.pop();
  way.reduce((at, name) => at[name], told)[last] = value;
  assert.throws(() => audit(read(json(told)), { chain: full.chain }), undefined, path);
}
const refusals = {
  key: null, chain_id: 1, lease: { ...full.chain.lease, quota: 1 }, manifest_digest: "0x" + "11".repeat(32),
  price_wei: 4_999_999, currency: null, issued: false, owner: null, tx_redeems: false,
};
for (const [name, value] of Object.entries(refusals)) {
  assert.throws(() => audit(read(json(full.receipt)), { chain: { ...full.chain, [name]: value } }), NotVerified, name);
}
assert.throws(() => audit(read(json(full.receipt)), { chain: full.chain, asset: bytes("00") }), NotVerified);
for (const text of ["", "7b", "a0", "ff00", "bf" + full.compact.slice(2) + "ff", full.compact + "00", full.compact.slice(0, -2)]) {
  assert.throws(() => read(bytes(text)), NotVerified, text.slice(0, 8));
}
for (const { root, proofs } of load("merkle")) {
  for (const { leaf, proof } of proofs) assert.equal(climb(leaf, proof), root);
}
for (const { voucher, key } of load("voucher").vouchers) audit(read(json(voucher)), { key });
console.log("good");

function normal(receipt) {
  return JSON.parse(JSON.stringify(receipt).toLowerCase());
}
