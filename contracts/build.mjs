// Compiles the contract into contracts/build/EdgedropToken.json, which is committed: only who changes a contract needs
// solc. `node contracts/build.mjs [node_modules]`, by default those that `toolchain/setup --contracts` installed; the same
// sources and solc give the same bytes on every machine.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "build");
const modules = resolve(process.argv[2] ?? join(process.env.EDGEDROP_CACHE ?? join(homedir(), ".cache", "edgedrop"), "npm", "node_modules"));
const solc = createRequire(join(modules, "x.js"))("solc");
const settings = {
  viaIR: true,
  // What redeems is arithmetic and storage: 100,000 runs save it little and make the code too long for EIP-170.
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "cancun", // what every chain worth a drop runs
  metadata: { bytecodeHash: "none", appendCBOR: false }, // no trace of the machine in the address
};
const MAX_DEPLOYED = 24576; // EIP-170

function compile(folder, names, wanted) {
  const sources = {};
  for (const name of names) sources[`${folder}/${name}`] = { content: readFileSync(join(here, folder, name), "utf8") };
  const input = { language: "Solidity", sources, settings: { ...settings, outputSelection: { "*": { "*": wanted } } } };
  const found = (path) => ({ contents: readFileSync(join(modules, path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  // A warning in our own sources is a fault too; those in the libraries are not ours to mend.
  const ours = (e) => e.severity === "error" || e.sourceLocation?.file.startsWith("src/");
  const faults = (output.errors ?? []).filter(ours);
  for (const { formattedMessage } of faults) console.error(formattedMessage);
  if (faults.length) process.exit(1);
  return { sources, contracts: output.contracts };
}

function write(name, built) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, name), JSON.stringify(built, null, 1) + "\n");
}

const { sources, contracts } = compile(
  "src",
  ["EdgedropToken.sol", "Grants.sol", "Holders.sol", "Types.sol"],
  ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"],
);
const contract = contracts["src/EdgedropToken.sol"].EdgedropToken;
const deployedSize = contract.evm.deployedBytecode.object.length / 2;
if (deployedSize >= MAX_DEPLOYED) throw new Error(`${deployedSize} bytes deployed, EIP-170 allows ${MAX_DEPLOYED}`);
// A test holds the committed output to the sources by these.
const digests = Object.fromEntries(
  Object.entries(sources).map(([name, { content }]) => [name, createHash("sha256").update(content).digest("hex")]),
);
const built = { solc: solc.version(), settings, sources: digests, deployedSize, abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
write("EdgedropToken.json", built);
console.log(`EdgedropToken: ${deployedSize} bytes deployed, ${solc.version()}`);

// What the tests let it meet.
const others = compile("test", ["Others.sol"], ["abi", "evm.bytecode.object"]).contracts["test/Others.sol"];
const told = ([name, { abi, evm }]) => [name, { abi, bytecode: "0x" + evm.bytecode.object }];
write("Others.json", Object.fromEntries(Object.entries(others).map(told)));
