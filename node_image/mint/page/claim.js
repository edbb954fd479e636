// The claim page: a wallet made on the phone, one signature, one request. What was begun is kept, so that a reload or a
// broken connection sends the same claim again and gets the same voucher.
const { Wallet, formatUnits, id } = window.ethers;

const CLAIM = { Claim: [
  { name: "drop", type: "string" }, { name: "tier", type: "uint8" },
  { name: "slot", type: "uint8" }, { name: "claimHash", type: "bytes32" },
] };
const TRIES = 8;
const $ = (name) => document.getElementById(name);
const wallet = openWallet();
let drop;

function openWallet() {
  const kept = localStorage.getItem("edgedrop.key");
  const made = kept ? new Wallet(kept) : Wallet.createRandom();
  localStorage.setItem("edgedrop.key", made.privateKey);
  return made;
}

const placeOf = (tier) => `edgedrop.${drop.drop}.${tier.name}.`;
const ticketsOf = (tier) => Array.from({ length: tier.wallet_cap }, (_, slot) => localStorage.getItem(placeOf(tier) + slot + ".voucher"));
const say = (text) => { $("message").textContent = text; };
const ETHER = { symbol: "ETH", decimals: 18 };

// What redeeming takes: of the tier's own currency, or of the chain's coin. Exact, without zeros at the end.
function price({ price_wei, currency }) {
  const { symbol, decimals } = currency ?? ETHER;
  return price_wei === "0" ? "free" : `pay to redeem ${formatUnits(price_wei, decimals).replace(/\.0$/, "")} ${symbol}`;
}

function claimId(tier, slot) {
  const place = placeOf(tier) + slot + ".id";
  const kept = localStorage.getItem(place) ?? crypto.randomUUID?.() ?? id(String(Math.random())).slice(2, 38);
  localStorage.setItem(place, kept);
  return kept;
}

async function claim(tier, button) {
  const slot = ticketsOf(tier).findIndex((voucher) => voucher === null);
  if (slot < 0) return say(`You have all ${tier.wallet_cap} that one wallet may have of this.`);
  button.disabled = true;
  say("One moment…");
  const claim_id = claimId(tier, slot);
  const domain = { name: "Edgedrop", version: "1", chainId: drop.chain_id, verifyingContract: drop.contract };
  const signature = await wallet.signTypedData(domain, CLAIM, { drop: drop.drop, tier: tier.tier, slot, claimHash: id(claim_id) });
  const body = JSON.stringify({ claim_id, tier: tier.name, to: wallet.address, slot, signature });
  const answer = await send(body);
  if (answer.voucher) {
    localStorage.setItem(placeOf(tier) + slot + ".voucher", JSON.stringify(answer.voucher));
    localStorage.removeItem(placeOf(tier) + slot + ".reserve");
    say("");
  } else if (answer.reserved) {
    localStorage.setItem(placeOf(tier) + slot + ".reserve", JSON.stringify(answer.reserved));
    say("This place can't sign just now. Your claim is kept: see below.");
  } else {
    say(answer.message);
  }
  await show();
}

async function send(body) {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      const answer = await fetch("/v1/claims", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      if (answer.status === 202) return { reserved: await answer.json() };
      if (answer.ok) return { voucher: await answer.json() };
      if (answer.status < 500 && answer.status !== 429) {
        const told = (await answer.json()).error;
        return { message: `${told.message}. ${told.hint}.` };
      }
    } catch { /* no connection: the same claim again */ }
    say("The connection is poor. Your claim is kept and sent again…");
    await new Promise((done) => setTimeout(done, Math.min(8000, 250 * 2 ** attempt) * (0.5 + Math.random())));
  }
  return { message: "No answer. Your claim is kept on this phone: press Claim again when you have a connection." };
}

function showTier(tier) {
  const card = $("tier").content.cloneNode(true);
  card.querySelector("h2").textContent = tier.title;
  card.querySelector(".facts").textContent = `${tier.left} left here · ${price(tier)}${tier.sku ? " · sent to you" : ""}`;
  if (tier.image) card.querySelector("img").src = tier.image; else card.querySelector("img").remove();
  const button = card.querySelector("button");
  button.disabled = tier.left === 0;
  if (tier.left === 0) button.textContent = "Sold out here";
  button.addEventListener("click", () => claim(tier, button));
  return card;
}

function showTicket(tier, text) {
  const voucher = JSON.parse(text);
  const card = $("ticket").content.cloneNode(true);
  card.querySelector(".number").textContent = `${tier.title} · no. ${voucher.token_id}`;
  card.querySelector(".facts").textContent = `${new Date(voucher.batch.issuedAt * 1000).toLocaleString()} · ${voucher.node}`;
  if (voucher.price_wei !== "0") {
    card.querySelector(".due").textContent = `It is kept for you until ${new Date(drop.redeem_by * 1000).toLocaleString()}: ${price(tier)}.`;
  }
  const way = card.querySelector(".path");
  card.querySelector("details").addEventListener("toggle", async () => { way.textContent = await wayOf(voucher); });
  card.querySelector("button").addEventListener("click", () => saveReceipt(voucher));
  return card;
}

// A claim that could not be signed yet: asked again it becomes a ticket.
function showReserve(tier, text) {
  const { reserve, qr } = JSON.parse(text);
  const card = $("reserve").content.cloneNode(true);
  card.querySelector(".number").textContent = `${tier.title} · reserved`;
  card.querySelector(".facts").textContent = `${reserve.node}: ${reserve.reason}`;
  card.querySelector(".holds").textContent = reserve.seq === null
    ? "It holds your place in the line. It does not hold a token yet: this place can't tell which are still its own."
    : "It holds a token for you.";
  card.querySelector(".qr").append(document.importNode(new DOMParser().parseFromString(qr, "image/svg+xml").documentElement, true));
  const button = card.querySelector("button");
  button.addEventListener("click", () => claim(tier, button));
  return card;
}

const reservesOf = (tier) => Array.from({ length: tier.wallet_cap }, (_, slot) => localStorage.getItem(placeOf(tier) + slot + ".reserve"));

// The receipt as the place has it now: its anchor comes later than the voucher.
async function receiptOf(voucher) {
  const answer = await fetch(`/v1/receipts/${encodeURIComponent(voucher.claim_id)}`);
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

async function wayOf(voucher) {
  const [known, state] = await receiptOf(voucher).then((receipt) => [receipt.epoch, receipt.status], () => [null, null]);
  const place = `${voucher.node}${known === null ? "" : `, key no. ${known}`}`;
  return `The drop ${voucher.drop}, signed at ${place}, in batch ${voucher.batch.batchSeq} as one of ${voucher.batch.count}` +
    (state === null ? ". The place does not answer now; the rest is in the receipt." : `; ${state}.`);
}

async function saveReceipt(voucher) {
  const name = `${voucher.drop}-${voucher.token_id}`;
  try {
    save(`${name}.receipt.json`, JSON.stringify(await receiptOf(voucher)));
    say("");
  } catch {
    save(`${name}.voucher.json`, JSON.stringify(voucher));
    say("The place does not answer, so the voucher was saved: it redeems all the same. The receipt comes when you are back.");
  }
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
}

async function show() {
  drop = await (await fetch("/v1/drop")).json();
  document.title = drop.title;
  $("title").textContent = drop.title;
  $("place").textContent = drop.geo;
  $("window").textContent = `Open until ${new Date(drop.closes_at * 1000).toLocaleString()}`;
  $("address").textContent = wallet.address;
  $("tiers").replaceChildren(...drop.tiers.map(showTier));
  const cards = (texts, make) => drop.tiers.flatMap((tier) => texts(tier).filter(Boolean).map((text) => make(tier, text)));
  $("tickets").replaceChildren(...cards(reservesOf, showReserve), ...cards(ticketsOf, showTicket));
}

$("save").addEventListener("click", () => {
  save("edgedrop-key.txt", wallet.privateKey);
});
show().catch(() => say("This place does not answer. Check the connection and load the page again."));
