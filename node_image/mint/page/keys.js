// Claim keys: a key made on this phone for one token; whose that becomes, the key says later. Its twelve words are all
// there is to keep: by them any phone has the key again, and finds its voucher, since the claim's id is the key's address.
const { HDNodeWallet, Interface, TypedDataEncoder, id } = window.ethers;

const fields = (text) => text.split(",").map((field) => ({ type: field.split(" ")[0], name: field.split(" ")[1] }));
const KEY_CLAIM = { KeyClaim: fields("string drop,uint8 tier,bytes32 claimHash") };
const VOUCHER = { Voucher: fields("bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash") };
const RECEIVE = { Receive: fields("bytes32 leafHash,address receiver") };
const CONTRACT = new Interface([`function redeemManyWith(
  ((bytes32,uint64,bytes32,uint32,uint64),bytes)[], (uint16,uint8,uint8,uint32,address,address,bytes32,bytes32[])[],
  ((uint16,bytes32,bytes32[])[],(uint16,address,bytes)[],(uint16,address,uint256,uint256,uint8,bytes32,bytes32)[])) payable`]);

export const domainOf = (drop) => ({ name: "Edgedrop", version: "1", chainId: drop.chain_id, verifyingContract: drop.contract });

const placeOf = (drop) => `edgedrop.${drop.drop}.keys`;

// What is held of each key: tier, words, claim_id; then reserve or voucher with qr; then receiver, signature, told.
export const keysOf = (drop) => JSON.parse(localStorage.getItem(placeOf(drop)) ?? "[]");

export function keep(drop, held) {
  const all = keysOf(drop);
  const at = all.findIndex((one) => one.claim_id === held.claim_id);
  all.splice(at < 0 ? all.length : at, 1, held);
  localStorage.setItem(placeOf(drop), JSON.stringify(all));
}

export function forget(drop, held) {
  localStorage.setItem(placeOf(drop), JSON.stringify(keysOf(drop).filter((one) => one.claim_id !== held.claim_id)));
}

const made = (wallet) => ({ words: wallet.mnemonic.phrase, claim_id: wallet.address.toLowerCase() });

export const newKey = () => made(HDNodeWallet.createRandom());

// Throws where the words are none.
export const keyOf = (words) => made(HDNodeWallet.fromPhrase(words.trim().toLowerCase().split(/\s+/).join(" ")));

const sign = (drop, held, types, told) => HDNodeWallet.fromPhrase(held.words).signTypedData(domainOf(drop), types, told);

export async function claimOf(drop, tier, held) {
  const { claim_id } = held;
  const signature = await sign(drop, held, KEY_CLAIM, { drop: drop.drop, tier: tier.tier, claimHash: id(claim_id) });
  return JSON.stringify({ claim_id, tier: tier.name, claim_key: claim_id, slot: 0, signature });
}

export async function receiveOf(drop, held, receiver) {
  const leafHash = TypedDataEncoder.hashStruct("Voucher", VOUCHER, held.voucher.voucher);
  return { receiver, signature: await sign(drop, held, RECEIVE, { leafHash, receiver }) };
}

// The transaction that redeems it: anybody may send it, and whoever does pays the price.
export function callOf({ voucher, receiver, signature }) {
  const { voucher: leaf, batch, proof } = voucher;
  const header = [batch.grantId, batch.batchSeq, batch.root, batch.count, batch.issuedAt];
  const item = [0, leaf.tier, leaf.slot, leaf.seq, leaf.to, leaf.claimKey, leaf.claimHash, proof];
  const told = [[[header, voucher.signature]], [item], [[], [[0, receiver, signature]], []]];
  const data = CONTRACT.encodeFunctionData("redeemManyWith", told);
  return { chainId: voucher.chain_id, to: voucher.contract, value: voucher.price_wei, data };
}
