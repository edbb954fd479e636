// The page around verify.js: a receipt comes in, and each step is shown with what was found or why it was not looked at.
"use strict";

(() => {
  const $ = (name) => document.getElementById(name);
  const NAMES = {
    leaf: "Its batch", key: "Its signature", lease: "The lease", price: "Its price", manifest: "The artist's list", asset: "The picture",
    "signed at": "When it was signed", anchor: "Its anchor on chain", timestamp: "Its timestamp", grant: "The signer's standing",
    redeemed: "The token", contract: "The contract",
  };
  let told = null;

  async function take(file) {
    if (!file) return;
    $("result").hidden = true;
    $("file-name").textContent = file.name;
    try {
      told = globalThis.edgedrop.read(new Uint8Array(await file.arrayBuffer()));
      $("check").disabled = false;
    } catch (fault) {
      told = null;
      $("check").disabled = true;
      refuse(fault);
    }
  }

  async function check() {
    const rpc = $("rpc").value.trim();
    const key = $("key").value.trim();
    const asset = $("asset").files[0];
    $("check").disabled = true;
    $("check").textContent = "One moment…";
    try {
      const known = { key, chain: rpc ? await globalThis.edgedrop.askChain(rpc, told) : null };
      if (asset) known.asset = new Uint8Array(await asset.arrayBuffer());
      show(globalThis.edgedrop.audit(told, known), known);
    } catch (fault) {
      refuse(fault);
    }
    $("check").disabled = false;
    $("check").textContent = "Check";
  }

  function show(steps, known) {
    const { voucher, receipt } = told;
    const whole = Boolean(known.chain);
    const to = BigInt(voucher.voucher.to) ? voucher.voucher.to : `the claim key ${voucher.voucher.claimKey}`;
    state(whole ? "good" : "part", whole ? "Genuine" : known.key ? "Signed by that key" : "Nothing against it, nothing proven");
    $("summary").textContent = `Token ${voucher.token_id} of ${voucher.drop}, for ${to}.` +
      (whole ? "" : " Anyone can make a file that fits together: name a node of the chain to hold it against that.");
    $("steps").replaceChildren(...steps.map(line));
    $("path").replaceChildren(...(receipt ? way(voucher, receipt) : []));
    $("path-note").hidden = !receipt;
    $("result").scrollIntoView({ block: "start", behavior: "smooth" });
  }

  function line(step) {
    const item = $("step").content.cloneNode(true);
    item.querySelector("li").className = step.checked ? "yes" : "no";
    item.querySelector("li").dataset.step = step.name;
    item.querySelector("strong").textContent = NAMES[step.name] + (step.checked ? "" : ": not checked");
    item.querySelector("p").textContent = step.told;
    return item;
  }

  function way(voucher, receipt) {
    const leaf = receipt.path.split("/").pop();
    const rows = { Drop: voucher.drop, Node: voucher.node, Epoch: receipt.epoch, Batch: voucher.batch.batchSeq, Leaf: leaf };
    return Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
  }

  function element(kind, text) {
    const made = document.createElement(kind);
    made.textContent = text;
    return made;
  }

  function refuse(fault) {
    const known = fault instanceof globalThis.edgedrop.NotVerified;
    state("bad", known ? "Do not accept it" : "Could not check it");
    $("summary").textContent = fault.message[0].toUpperCase() + fault.message.slice(1) + ".";
    for (const name of ["steps", "path"]) $(name).replaceChildren();
    $("path-note").hidden = true;
  }

  function state(kind, verdict) {
    $("result").hidden = false;
    $("result").className = kind;
    $("verdict").textContent = verdict;
  }

  $("file").addEventListener("change", () => take($("file").files[0]));
  $("form").addEventListener("submit", (event) => { event.preventDefault(); check(); });
  for (const name of ["dragover", "dragleave", "drop"]) {
    $("drop").addEventListener(name, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
  }
})();
