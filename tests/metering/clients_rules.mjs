// Drives the published clients through denials by spending rules, and prints what they returned as one JSON object.
// Usage: node clients_rules.mjs FOLDER_WITH_NODE_MODULES BASE_URL API_KEY
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "package.json"));
const { SapiomClient, TransactionAuthorizer } = require("@sapiom/core");
const { createFetch } = require("@sapiom/fetch");

const seen = { calls: [] };
const client = new SapiomClient({ apiKey, baseURL });
const cost = (fiatAmount) => ({ fiatAmount, fiatAssetSymbol: "USD", isEstimate: true });
const request = { serviceName: "openai", actionName: "completion", resourceName: "gpt-4o", agentName: "spender" };
const brief = (error) => ({ name: error.name, message: error.message });

// A create that the rule of the agent denies: by the client, by its authorizer, and by the wrapped fetch.
seen.allowed = await client.transactions.create({ ...request, costs: [cost("0.90")] });
seen.denied = await client.transactions.create({ ...request, costs: [cost("0.20")] });
const authorizer = new TransactionAuthorizer({ sapiomClient: client });
seen.authorizer = await authorizer.createAndAuthorize({ ...request, costs: [cost("0.20")] }).catch(brief);

const challenge = {
  x402Version: 2,
  error: "Payment required",
  resource: { url: "http://127.0.0.1/paid" },
  accepts: [{ scheme: "upto", network: "sapiom:main", asset: "USD", amount: "5", payTo: "shop", maxTimeoutSeconds: 300 }],
};
const upstream = http.createServer((request, response) => {
  seen.calls.push([request.url, request.headers["x-sapiom-transaction-id"]]);
  const isPaid = request.url === "/paid";
  response.writeHead(isPaid ? 402 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(isPaid ? challenge : { ok: true }));
});
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));
const target = `http://127.0.0.1:${upstream.address().port}`;
const blocked = createFetch({ apiKey, baseURL, failureMode: "closed", agentName: "blocked" });
seen.blocked = await blocked(`${target}/things`).catch(brief);

// A second round that the rule of payments denies: the caller sees the resource's own 402.
const payer = createFetch({ apiKey, baseURL, failureMode: "closed", agentName: "payer" });
const response = await payer(`${target}/paid`);
seen.secondRound = { status: response.status, body: await response.json() };
const [, transactionId] = seen.calls.find(([url]) => url === "/paid");
seen.paid = await client.transactions.get(transactionId);

upstream.close();
console.log(JSON.stringify(seen));
process.exit(0);
