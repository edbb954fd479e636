// The verifier's core: the same steps as node_image/protocol/audit.py, with ethers alone. No page in here: node's tests
// run it against tests/vectors/receipt.json. A classic script, since browsers load no modules from a file.
"use strict";

(() => {
  const VOUCHER = { Voucher: fields("bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash") };
  const BATCH = { Batch: fields("bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt") };
  const ZERO = "0x" + "00".repeat(20);
  const KIND = "edgedrop receipt";
  const OFFLINE = "no chain was asked";
  const BARE = "a voucher does not carry it; ask the mint for the receipt";
  const STATUS = ["none", "open", "frozen", "revoked", "closed"];
  const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
  // RFC 3161: id-ct-TSTInfo as DER.
  const TST_INFO = "060b2a864886f70d0109100104";

  class NotVerified extends Error {}

  function fields(text) {
    return text.split(",").map((field) => ({ type: field.split(" ")[0], name: field.split(" ")[1] }));
  }

  function demand(holds, message) {
    if (!holds) throw new NotVerified(message);
  }

  const e = () => globalThis.ethers;
  const same = (a, b) => typeof a === "string" && typeof b === "string" && a.toLowerCase() === b.toLowerCase();
  const utf8 = (text) => new TextEncoder().encode(text);
  const hex = (bytes) => "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sha256 = (bytes) => e().sha256(bytes);

  // ---- the two forms

  /** A receipt in JSON or compact form, or a bare voucher: {voucher, receipt or null}. */
  function read(bytes) {
    const text = new TextDecoder().decode(bytes);
    let told;
    try {
      told = text.trimStart().startsWith("{") ? JSON.parse(text) : expand(decodeCbor(bytes));
    } catch (fault) {
      if (fault instanceof NotVerified) throw fault;
      throw new NotVerified("this is no receipt and no voucher");
    }
    if (!told || !(told.voucher && told.voucher.voucher)) {
      demand(told && told.voucher && told.batch && told.signature, "this is no receipt and no voucher");
      return { voucher: told, receipt: null };
    }
    demand(told.schema === 1 && told.kind === KIND, "this is a receipt that this page does not know");
    agree(told);
    return { voucher: told.voucher, receipt: told };
  }

  function agree(receipt) {
    const { voucher, lease, epoch } = receipt;
    const body = voucher.voucher;
    demand(same(body.grantId, grantId(voucher, epoch)), `the grant is not that of ${voucher.drop}/${voucher.node}/${epoch}`);
    demand(same(body.claimHash, e().id(voucher.claim_id)), "the claim id is not the one in the leaf");
    demand(body.seq >= 0 && body.seq < lease.quota && String(lease.start + body.seq) === voucher.token_id,
      `token ${voucher.token_id} is not in the lease that the receipt names`);
    demand(receipt.path === pathOf(voucher, epoch), "the receipt's path is not what follows from the rest of it");
    demand(receipt.status === (receipt.anchor ? "anchored" : "not yet anchored"), "the receipt's status is not what follows from the rest of it");
    demand(!receipt.manifest || String(receipt.manifest.entry.token_id) === voucher.token_id, "the manifest's entry is of another token");
  }

  const grantId = (voucher, epoch) => e().id(`${voucher.drop}/${voucher.node}/${epoch}`);
  const leafOf = (voucher) => e().TypedDataEncoder.hashStruct("Voucher", VOUCHER, voucher.voucher);
  const pathOf = (voucher, epoch) => `${voucher.drop}/${voucher.node}/${epoch}/${voucher.batch.batchSeq}/${leafOf(voucher)}`;

  function digestOf(voucher) {
    const domain = { name: "Edgedrop", version: "1", chainId: voucher.chain_id, verifyingContract: voucher.contract.toLowerCase() };
    return e().TypedDataEncoder.hash(domain, BATCH, voucher.batch);
  }

  function climb(leaf, siblings) {
    return siblings.reduce((below, sibling) => {
      const [a, b] = BigInt(below) < BigInt(sibling) ? [below, sibling] : [sibling, below];
      return e().keccak256(e().concat([a, b]));
    }, leaf);
  }

  function manifestDigest(drop, { entry, count, proof }) {
    const leaf = e().keccak256(e().keccak256(utf8(canonical({ sku: null, ...entry }))));
    return sha256(utf8(canonical({ schema: 2, drop, count, root: climb(leaf, proof) })));
  }

  /** RFC 8785, for an object of strings, whole numbers and null. */
  const canonical = (told) => JSON.stringify(Object.fromEntries(Object.keys(told).sort().map((name) => [name, told[name]])));

  function expand(told) {
    const at = (key) => told.get(key);
    demand(told instanceof Map && at(0) === 1, "this is no receipt that this page knows");
    const [tier, seq, slot, receiver, byKey] = at(7);
    const [batchSeq, count, issuedAt] = at(8);
    const [start, quota, notBefore, redeemBy] = at(11);
    const names = { claim_id: at(1), drop: at(2), node: at(3) };
    const grant = grantId(names, at(4));
    const body = { grantId: grant, tier, seq, to: byKey ? ZERO : hex(receiver), claimKey: byKey ? hex(receiver) : ZERO, slot };
    body.claimHash = e().id(names.claim_id);
    const voucher = { schema: 1, ...names, token_id: String(start + seq), chain_id: at(5), contract: e().getAddress(hex(at(6))) };
    Object.assign(voucher, { voucher: body, proof: parted(at(9)), signature: hex(at(10)), price_wei: String(at(12)) });
    if (told.has(13)) voucher.currency = e().getAddress(hex(at(13)));
    voucher.batch = { grantId: grant, batchSeq, root: climb(leafOf(voucher), voucher.proof), count, issuedAt };
    const receipt = { schema: 1, kind: KIND, path: pathOf(voucher, at(4)), status: told.has(22) ? "anchored" : "not yet anchored" };
    Object.assign(receipt, { epoch: at(4), voucher, lease: { start, quota, notBefore, redeemBy } });
    if (told.has(20)) receipt.tx = hex(at(20));
    if (told.has(21)) receipt.manifest = membership(at(21), start + seq);
    if (told.has(22)) receipt.anchor = anchor(at(22), digestOf(voucher), at(23));
    return receipt;
  }

  function membership([count, tier, name, asset, fingerprint, sku, proof], token_id) {
    const entry = { token_id, tier, name, asset, sha256: hex(fingerprint).slice(2), sku };
    return { entry, count, proof: parted(proof) };
  }

  function anchor([proof, tx], digest, timestamp) {
    const siblings = parted(proof);
    const reply = timestamp ? btoa(String.fromCharCode(...timestamp)) : null;
    return { root: climb(digest, siblings), proof: siblings, tx: tx && hex(tx), timestamp: reply };
  }

  function parted(bytes) {
    demand(bytes.length % 32 === 0, "a proof is whole hashes of 32 bytes");
    return Array.from({ length: bytes.length / 32 }, (_, i) => hex(bytes.slice(32 * i, 32 * i + 32)));
  }

  /** RFC 8949, as much of it as a receipt has: definite lengths, whole numbers, texts, bytes, lists, maps. */
  function decodeCbor(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let place = 0;
    const take = (length) => {
      if (length > bytes.length - place) throw new RangeError("cut off");
      place += length;
      return bytes.slice(place - length, place);
    };
    const number = (kind) => {
      if (kind < 24) return kind;
      if (kind > 27) throw new RangeError("no definite length");
      const at = (place += 1 << (kind - 24)) - (1 << (kind - 24));
      const found = [() => view.getUint8(at), () => view.getUint16(at), () => view.getUint32(at), () => view.getBigUint64(at)][kind - 24]();
      return typeof found === "bigint" && found <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(found) : found;
    };
    const item = () => {
      const head = take(1)[0];
      const kind = head & 31;
      if (head >> 5 === 7) {
        if (![20, 21, 22].includes(kind)) throw new RangeError("not in a receipt");
        return { 20: false, 21: true, 22: null }[kind];
      }
      const count = number(kind);
      switch (head >> 5) {
        case 0: return count;
        case 2: return take(count);
        case 3: return new TextDecoder("utf-8", { fatal: true }).decode(take(count));
        case 4: return Array.from({ length: check(count) }, item);
        case 5: return new Map(Array.from({ length: check(count) }, () => [item(), item()]));
        case 6: if (count === 2) return BigInt(hex(item())); // a price past 2^64
        default: throw new RangeError("not in a receipt");
      }
    };
    const check = (count) => { // before a list of that length is made
      if (count > bytes.length - place) throw new RangeError("cut off");
      return count;
    };
    const found = item();
    if (place !== bytes.length) throw new RangeError("more than a receipt");
    return found;
  }

  // ---- the steps

  /** All steps, [{name, checked, told}]; throws NotVerified at the first that does not hold. `known`: {key, chain, asset}. */
  function audit({ voucher, receipt }, known = {}) {
    const chain = known.chain ?? null;
    if (chain) demand(chain.chain_id === voucher.chain_id, `it is for chain ${voucher.chain_id}, this node is of chain ${chain.chain_id}`);
    return [
      leafStep(voucher), keyStep(voucher, known), leaseStep(voucher, receipt, chain), priceStep(voucher, chain),
      manifestStep(voucher, receipt, chain), assetStep(receipt, known), timeStep(voucher, receipt, chain), anchorStep(voucher, receipt, chain),
      timestampStep(receipt), grantStep(receipt, chain), redeemedStep(voucher, receipt, chain),
      left("contract", "that the contract is the drop's own: compare its address with the one that the artist published"),
    ];
  }

  const found = (name, told) => ({ name, checked: true, told });
  const left = (name, told) => ({ name, checked: false, told });

  function leafStep(voucher) {
    demand(same(voucher.voucher.grantId, voucher.batch.grantId), "voucher and batch name different grants");
    demand(same(climb(leafOf(voucher), voucher.proof), voucher.batch.root), "the voucher is not under the batch's root");
    return found("leaf", `token ${voucher.token_id} is under the root of batch ${voucher.batch.batchSeq}, one of ${voucher.batch.count}`);
  }

  function keyStep(voucher, known) {
    const key = known.chain ? known.chain.key : known.key;
    const signer = signerOf(voucher);
    if (known.chain) demand(key, `no such grant is open at ${voucher.contract}`);
    if (!key) return left("key", `the batch is signed by ${signer}; whether that is the grant's key nobody said`);
    demand(same(signer, key), `the batch is signed by ${signer}, not by the grant's key ${key}`);
    return found("key", `the batch is signed by ${signer}, ${known.chain ? "the grant's key on chain" : "as it was given; that it is the grant's was not asked"}`);
  }

  function signerOf(voucher) {
    const { signature } = voucher;
    demand(/^0x[0-9a-f]{128}(1b|1c)$/i.test(signature), "a signature is 65 bytes with v of 27 or 28");
    demand(BigInt("0x" + signature.slice(66, 130)) <= HALF_ORDER, "the signature's s is not in the lower half (EIP-2)");
    try {
      return e().recoverAddress(digestOf(voucher), signature);
    } catch {
      throw new NotVerified("the signature is no point of the curve");
    }
  }

  function leaseStep(voucher, receipt, chain) {
    if (!chain) return left("lease", OFFLINE);
    const { lease } = chain;
    const { seq } = voucher.voucher;
    demand(seq < lease.quota && String(lease.start + seq) === voucher.token_id, `token ${voucher.token_id} is not in the grant's lease on chain`);
    const same = (held) => ["start", "notBefore", "redeemBy"].every((name) => held[name] === lease[name]);
    // A close-out, or holders taking back a revoked rest, cuts the quota of a lease and nothing else of it.
    const cut = (held) => chain.grant !== "open" && lease.quota < held.quota;
    demand(!receipt || (same(receipt.lease) && (lease.quota === receipt.lease.quota || cut(receipt.lease))), "the lease on chain is not the one that the receipt names");
    return found("lease", `on chain the grant may sign tokens ${lease.start} to ${lease.start + lease.quota - 1}, to be redeemed before ${time(lease.redeemBy)}`);
  }

  // Neither is in the leaf: what is to be paid is the contract's to say.
  function priceStep(voucher, chain) {
    if (!chain) return left("price", OFFLINE);
    const { price_wei, currency } = chain;
    const named = voucher.currency ?? "";
    demand(BigInt(voucher.price_wei) === BigInt(price_wei) && same(named, currency ?? ""), "the price on chain is not the one that it names");
    if (BigInt(price_wei) === 0n) return found("price", "on chain its tier is free");
    const paid = currency ? `${price_wei} of the smallest unit of the ERC-20 ${currency}` : `${e().formatEther(price_wei).replace(/\.0$/, "")} ETH`;
    return found("price", `on chain its tier is redeemed for ${paid}`);
  }

  function manifestStep(voucher, receipt, chain) {
    if (!receipt) return left("manifest", BARE);
    if (!receipt.manifest) return left("manifest", "the receipt has no entry of the manifest");
    if (!chain) return left("manifest", OFFLINE);
    demand(same(manifestDigest(voucher.drop, receipt.manifest), chain.manifest_digest), "the token's entry is not in the manifest that the contract names");
    const { entry } = receipt.manifest;
    return found("manifest", `the contract's manifest has it: ${entry.name}, file ${entry.asset}`);
  }

  function assetStep(receipt, known) {
    if (!known.asset) return left("asset", "no file was given, and nothing is fetched");
    demand(receipt && receipt.manifest, "there is no entry of the manifest to hold the file against");
    const { entry } = receipt.manifest;
    demand(same(sha256(known.asset), "0x" + entry.sha256), `the file is not the one that the manifest names (${entry.asset})`);
    return found("asset", `the file is, byte for byte, the one that ${known.chain ? "the manifest names" : "the receipt names; that the manifest does was not asked"}`);
  }

  function timeStep(voucher, receipt, chain) {
    const lease = chain ? chain.lease : receipt && receipt.lease;
    const issued = voucher.batch.issuedAt;
    if (!lease) return left("signed at", `${time(issued)} is the signer's word; no lease to hold it against`);
    demand(lease.notBefore <= issued && issued < lease.redeemBy, `the signer says ${time(issued)}, which is outside the lease's time`);
    return found("signed at", `${time(issued)}; the signer's word, within the lease's time`);
  }

  function anchorStep(voucher, receipt, chain) {
    if (!receipt) return left("anchor", BARE);
    if (!receipt.anchor) return left("anchor", receipt.status);
    const { root, proof } = receipt.anchor;
    demand(same(climb(digestOf(voucher), proof), root), "the batch is not under the checkpoint's root");
    if (!chain) return left("anchor", `the batch is under the checkpoint, but ${OFFLINE}`);
    demand(chain.issued, "the receipt says anchored, but its checkpoint is not on chain");
    return found("anchor", `anchored: its checkpoint is on chain${chain.anchored_at ? `, since ${time(chain.anchored_at)}` : "; since when was not found"}`);
  }

  function timestampStep(receipt) {
    if (!receipt) return left("timestamp", BARE);
    if (!receipt.anchor || !receipt.anchor.timestamp) return left("timestamp", "the receipt has no RFC 3161 reply");
    const { imprint, said } = tstInfo(Uint8Array.from(atob(receipt.anchor.timestamp), (letter) => letter.charCodeAt(0)));
    demand(same(imprint, sha256(receipt.anchor.root)), "the timestamp is of something else, not of this checkpoint");
    return left("timestamp", `an authority says that it saw the checkpoint at ${said}; its signature is checked by \`edgedrop verify --tsa-ca\`, not by this page`);
  }

  /** Imprint and time of an RFC 3161 reply: TSTInfo is version, policy, imprint (algorithm, hash), serial, time. */
  function tstInfo(bytes) {
    const text = hex(bytes).slice(2);
    const parts = (at) => { // where the value of the DER element at `at` begins and ends
      let length = bytes[at + 1];
      let from = at + 2;
      if (length > 127) {
        const more = length & 127;
        length = Number(hex(bytes.slice(from, from + more)));
        from += more;
      }
      demand(from + length <= bytes.length, "the timestamp is cut off");
      return [from, from + length];
    };
    let place = text.indexOf(TST_INFO);
    demand(place >= 0 && place % 2 === 0, "the timestamp is no RFC 3161 reply");
    place = place / 2 + TST_INFO.length / 2;
    for (let depth = 0; depth < 3; depth++) [place] = parts(place); // [0], OCTET STRING, SEQUENCE
    for (let skip = 0; skip < 2; skip++) [, place] = parts(place); // version, policy
    const [algorithm, after] = parts(place);
    const [from, to] = parts(parts(algorithm)[1]);
    [, place] = parts(after); // serial
    const [begin, end] = parts(place);
    const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(new TextDecoder().decode(bytes.slice(begin, end))) ?? [];
    demand(year, "the timestamp has no time");
    return { imprint: hex(bytes.slice(from, to)), said: `${year}-${month}-${day} ${hour}:${minute}:${second} UTC` };
  }

  function grantStep(receipt, chain) {
    if (!chain) return left("grant", OFFLINE);
    if (!["frozen", "revoked"].includes(chain.grant) || chain.owner) return found("grant", `the grant is ${chain.grant}`);
    if (receipt && receipt.anchor) return found("grant", `the grant is ${chain.grant}; it redeems all the same, by its anchor`);
    return found("grant", `the grant is ${chain.grant}; it is pending until the holders add its batch, not void`);
  }

  function redeemedStep(voucher, receipt, chain) {
    if (!chain) return left("redeemed", OFFLINE);
    const named = receipt && receipt.tx;
    demand(chain.owner || !named, "the receipt names a transaction, but the token is not minted");
    if (!chain.owner) return found("redeemed", "not redeemed yet");
    demand(!named || chain.tx_redeems, "the transaction that the receipt names did not redeem this token");
    return found("redeemed", `redeemed${named ? ` by ${named}` : ""}; token ${voucher.token_id} is ${chain.owner}'s`);
  }

  function time(seconds) {
    const date = new Date(Number(seconds) * 1000);
    return Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 ? `second ${seconds}` : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  }

  // ---- what a chain node says

  /** The answers of one JSON-RPC node, as `audit` takes them. */
  async function askChain(url, { voucher, receipt }) {
    const { contract, token_id } = voucher;
    const { grantId: grant, tier } = voucher.voucher;
    const call = (name, inputs, outputs, values, none) => ask(url, contract, { name, inputs, outputs }, values, none);
    const anchored = receipt && receipt.anchor;
    const [id, [key], lease, [manifest], [owner], [, status], [issued], terms] = await Promise.all([
      rpc(url, "eth_chainId", []),
      call("grantKey", "bytes32", "address", [grant], [ZERO]),
      call("leaseOf", "bytes32,uint8", "uint64,uint64,uint64,uint64", [grant, tier], [0, 0, 0, 0]),
      call("manifestDigest", "", "bytes32", [], [null]),
      call("ownerOf", "uint256", "address", [token_id], [null]),
      call("grantOf", "bytes32", "address,uint64", [grant], [null, 1]),
      anchored ? call("issuedRoot", "bytes32,bytes32", "bool", [grant, anchored.root], [false]) : [false],
      // A tier's seven numbers, of which the fifth is its price; then where its splits begin, and its currency.
      call("tierOf", "uint8", "uint256,".repeat(8) + "address", [tier], [0, 0, 0, 0, 0, 0, 0, 0, ZERO]),
    ]);
    const [start, quota, notBefore, redeemBy] = lease.slice(0, 4).map(Number);
    const said = { chain_id: Number(id), key: key === ZERO ? null : key, lease: { start, quota, notBefore, redeemBy } };
    Object.assign(said, { price_wei: String(terms[4]), currency: terms[8] === ZERO ? null : terms[8] });
    Object.assign(said, { manifest_digest: manifest, owner, grant: STATUS[Number(status)], issued });
    said.tx_redeems = Boolean(receipt && receipt.tx && (await logOf(url, contract, receipt.tx, "Redeemed(uint256,bytes32,address)", [e().toBeHex(token_id, 32)])));
    const log = anchored && anchored.tx && (await logOf(url, contract, anchored.tx, "Anchored(bytes32,bytes32)", [grant, anchored.root]));
    said.anchored_at = log ? Number((await rpc(url, "eth_getBlockByNumber", [log.blockNumber, false])).timestamp) : null;
    return said;
  }

  async function ask(url, to, { name, inputs, outputs }, values, none) {
    const coder = e().AbiCoder.defaultAbiCoder();
    const data = e().id(`${name}(${inputs})`).slice(0, 10) + coder.encode(inputs ? inputs.split(",") : [], values).slice(2);
    try {
      const answer = await rpc(url, "eth_call", [{ to, data }, "latest"]);
      return answer === "0x" ? none : [...coder.decode(outputs.split(","), answer)];
    } catch (fault) {
      if (fault instanceof Refused) return none; // a revert: no such token, or a contract from before
      throw fault;
    }
  }

  async function logOf(url, contract, tx, event, topics) {
    const receipt = await rpc(url, "eth_getTransactionReceipt", [tx]);
    const wanted = [e().id(event), ...topics];
    return receipt && receipt.logs.find((log) => same(log.address, contract) && wanted.every((topic, i) => same(topic, log.topics[i])));
  }

  class Refused extends Error {}

  async function rpc(url, method, params) {
    let answer;
    try {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      answer = await (await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })).json();
    } catch {
      throw new Error(`the chain node at ${url} does not answer`);
    }
    if (answer.error) throw new Refused(answer.error.message);
    return answer.result;
  }

  globalThis.edgedrop = { read, audit, askChain, climb, leafOf, digestOf, pathOf, manifestDigest, NotVerified };
})();
