// The claim page: a wallet made on the phone, one signature, one request. What was begun is kept, so that a reload or a
// broken connection sends the same claim again and gets the same voucher. Who has another wallet takes it with a claim key.
import { callOf, claimOf, domainOf, forget, keep, keyOf, keysOf, newKey, receiveOf } from "./keys.js";

const { Wallet, formatUnits, getAddress, id } = window.ethers;

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
  const signature = await wallet.signTypedData(domainOf(drop), CLAIM, { drop: drop.drop, tier: tier.tier, slot, claimHash: id(claim_id) });
  const answer = await send(JSON.stringify({ claim_id, tier: tier.name, to: wallet.address, slot, signature }));
  if (answer.voucher) {
    localStorage.setItem(placeOf(tier) + slot + ".voucher", JSON.stringify(answer.voucher));
    localStorage.removeItem(placeOf(tier) + slot + ".reserve");
  } else if (answer.reserved) {
    localStorage.setItem(placeOf(tier) + slot + ".reserve", JSON.stringify(answer.reserved));
  }
  await tell(answer);
}

// The key is kept before the claim is sent: one that got no answer is sent again for the same key.
async function takeWithKey(tier, button) {
  button.disabled = true;
  say("One moment…");
  const held = keysOf(drop).find((one) => one.tier === tier.name && !one.voucher) ?? { tier: tier.name, ...newKey() };
  keep(drop, held);
  const { voucher, reserved: reserve, message } = await send(await claimOf(drop, tier, held));
  const got = { ...held, voucher, reserve: voucher ? undefined : reserve ?? held.reserve };
  keep(drop, got);
  if (voucher) keep(drop, { ...got, qr: await pictureOf(held) });
  await tell({ voucher, reserved: reserve, message });
}

async function tell({ voucher, reserved, message }) {
  say(voucher ? "" : reserved ? "This place can't sign just now. Your claim is kept: see below." : message);
  await show().catch(draw);
}

// The voucher as a code, for the printed copy; it is no secret.
async function pictureOf({ claim_id }) {
  const answer = await fetch(`/v1/claims/${claim_id}/qr`).catch(() => null);
  return answer?.ok ? answer.text() : undefined;
}

// The key says whose its token becomes; the place passes it on, or the buyer's own transaction does.
async function giveTo(held, text) {
  let receiver;
  try {
    receiver = getAddress(text.trim());
  } catch {
    return say("That is no wallet's address: it begins with 0x and has 40 digits after that. Check each of them.");
  }
  const named = await receiveOf(drop, held, receiver);
  const answer = await fetch(`/v1/claims/${held.claim_id}/receiver`, {
    method: "PUT", body: JSON.stringify(named), headers: { "Content-Type": "application/json" },
  }).catch(() => null);
  if (![400, 409].includes(answer?.status)) keep(drop, { ...held, ...named, told: answer?.ok });
  const no = answer === null ? "This place does not answer" : (await answer.json().catch(() => null))?.error?.message;
  await tell({ message: answer?.ok ? "" : `${no ?? "This place can't take it now"}. Try again, or save the transaction and send it from any wallet.` });
}

async function bringBack(words) {
  let held;
  try {
    held = keyOf(words);
  } catch {
    return say("These are not the twelve words of a key. Check each of them.");
  }
  const answer = await fetch(`/v1/claims/${held.claim_id}`).catch(() => null);
  if (answer?.status !== 200) return say("This place knows no ticket of this key. Ask at the place where you got it.");
  const voucher = await answer.json();
  keep(drop, { ...held, tier: drop.tiers[voucher.voucher.tier].name, voucher, qr: await pictureOf(held) });
  $("words").value = "";
  return tell({ voucher });
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
  const [button, byKey] = card.querySelectorAll("button");
  button.disabled = byKey.disabled = tier.left === 0;
  if (tier.left === 0) button.textContent = "Sold out here";
  button.addEventListener("click", () => claim(tier, button));
  byKey.addEventListener("click", () => takeWithKey(tier, byKey));
  return card;
}

function showTicket(tier, voucher) {
  const card = $("ticket").content.cloneNode(true);
  card.querySelector(".number").textContent = `${tier.title} · no. ${voucher.token_id}`;
  card.querySelector(".facts").textContent = `${new Date(voucher.batch.issuedAt * 1000).toLocaleString()} · ${voucher.node}`;
  if (voucher.price_wei !== "0") {
    card.querySelector(".yours").textContent = `It is kept for you until ${new Date(drop.redeem_by * 1000).toLocaleString()}: ${price(tier)}.`;
  }
  const way = card.querySelector(".path");
  card.querySelector(".way").addEventListener("toggle", async () => { way.textContent = await wayOf(voucher); });
  card.querySelector(".receipt").addEventListener("click", () => saveReceipt(voucher));
  return card;
}

// A ticket, with what its key is for.
function showKeyed(tier, held) {
  const { voucher, receiver, told } = held;
  const card = showTicket(tier, voucher);
  card.querySelector(".yours").replaceWith($("keyed").content.cloneNode(true));
  const free = voucher.price_wei === "0";
  card.querySelector(".named").textContent = !receiver ? "It is yours by its key. It waits for the wallet that it is to go to."
    : `It goes to ${receiver}. ${told && free ? "The chain records it later, by itself." : "Save the transaction: sent from any wallet, it brings the token there."}`;
  const form = card.querySelector("form");
  form.hidden = Boolean(told);
  form.receiver.value = receiver ?? "";
  form.addEventListener("submit", (event) => { event.preventDefault(); giveTo(held, form.receiver.value); });
  const call = card.querySelector(".call");
  call.hidden = !receiver;
  call.addEventListener("click", () => save(`${voucher.drop}-${voucher.token_id}.transaction.json`, JSON.stringify(callOf(held), null, 1)));
  card.querySelector(".words").textContent = held.words;
  if (held.qr) card.querySelector(".qr").append(picture(held.qr));
  const article = card.querySelector("article");
  card.querySelector(".print").addEventListener("click", () => print(article));
  card.querySelector(".forget").addEventListener("click", () => {
    if (!confirm("Without its words the token is lost. Are they written down?")) return;
    forget(drop, held);
    draw();
  });
  return card;
}

const picture = (svg) => document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true);

// The one ticket, its key unfolded. It stays marked: a phone prints when it likes, and says not when it has.
function print(article) {
  for (const other of document.querySelectorAll(".sheet")) other.classList.remove("sheet");
  article.classList.add("sheet");
  article.querySelector(".key").open = true;
  window.print();
}

// A claim that could not be signed yet: asked again it becomes a ticket.
function showReserve(tier, { reserve, qr }, again = claim) {
  const card = $("reserve").content.cloneNode(true);
  card.querySelector(".number").textContent = `${tier.title} · reserved`;
  card.querySelector(".facts").textContent = `${reserve.node}: ${reserve.reason}`;
  card.querySelector(".holds").textContent = reserve.seq === null
    ? "It holds your place in the line. It does not hold a token yet: this place can't tell which are still its own."
    : "It holds a token for you.";
  card.querySelector(".qr").append(picture(qr));
  const button = card.querySelector("button");
  button.addEventListener("click", () => again(tier, button));
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
  draw();
}

// From what is known and kept, also where the place does not answer any more.
function draw() {
  document.title = drop.title;
  $("title").textContent = drop.title;
  $("place").textContent = drop.geo;
  $("window").textContent = `Open until ${new Date(drop.closes_at * 1000).toLocaleString()}`;
  $("address").textContent = wallet.address;
  $("tiers").replaceChildren(...drop.tiers.map(showTier));
  const cards = (texts, make) => drop.tiers.flatMap((tier) => texts(tier).filter(Boolean).map((text) => make(tier, JSON.parse(text))));
  const keyed = (found, make) => keysOf(drop).filter(found).map((held) => make(drop.tiers.find((tier) => tier.name === held.tier), held));
  $("tickets").replaceChildren(
    ...cards(reservesOf, showReserve), ...keyed((held) => held.reserve, (tier, held) => showReserve(tier, held.reserve, takeWithKey)),
    ...cards(ticketsOf, showTicket), ...keyed((held) => held.voucher, showKeyed),
  );
}

$("save").addEventListener("click", () => {
  save("edgedrop-key.txt", wallet.privateKey);
});
$("back").addEventListener("submit", (event) => { event.preventDefault(); bringBack($("words").value); });
show().catch(() => say("This place does not answer. Check the connection and load the page again."));
