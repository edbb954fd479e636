// The page's claim keys without a browser: `node keys.mjs <node_modules> <keys.js> <JSON of {drop, tier, words, receiver, voucher}>`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, file, told] = process.argv.slice(2);
globalThis.window = { ethers: createRequire(join(modules, "none.js"))("ethers") };
const { callOf, claimOf, keyOf, receiveOf } = await import(`data:text/javascript;base64,${readFileSync(file).toString("base64")}`);
const { drop, tier, words, receiver, voucher } = JSON.parse(told);
const held = keyOf(words);
voucher.voucher.claimKey = held.claim_id;
const named = await receiveOf(drop, { ...held, voucher }, receiver);
const claim = JSON.parse(await claimOf(drop, tier, held));
console.log(JSON.stringify({ claim, voucher, named, call: callOf({ voucher, ...named }) }));
