// Drives the published clients, as their users would, and prints what they returned as one JSON object.
// Usage: node clients.mjs FOLDER_WITH_NODE_MODULES BASE_URL API_KEY
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, baseURL, apiKey] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "package.json"));
const { SapiomClient, TransactionAuthorizer } = require("@sapiom/core");
const { createFetch } = require("@sapiom/fetch");

const seen = {};
const client = new SapiomClient({ apiKey, baseURL });

const request = {
  requestFacts: {
    source: "langchain-llm",
    version: "v1",
    sdk: { name: "driver", version: "1" },
    request: { modelId: "gpt-4-turbo", estimatedInputTokens: 1247 },
  },
  serviceName: "openai",
  actionName: "completion",
  resourceName: "gpt-4-turbo",
  qualifiers: { snake_key: 1, camelKey: [true, null] },
  agentName: "driver",
  traceExternalId: "drive-1",
  costs: [{ fiatAmount: "0.05", fiatAssetSymbol: "USD", isEstimate: true }],
};
seen.created = await client.transactions.create(request);
seen.isAuthorized = client.transactions.isAuthorized(seen.created);
seen.read = await client.transactions.get(seen.created.id);
seen.cost = await client.transactions.addCost(seen.created.id, {
  fiatAmount: "0.250000000000000000",
  fiatAssetSymbol: "USD",
  isEstimate: false,
  supersedesCostId: seen.created.costs[0].id,
});
const facts = {
  source: "langchain-llm",
  version: "v1",
  factPhase: "response",
  facts: { actualInputTokens: 1250, actualOutputTokens: 543, finishReason: "stop" },
};
seen.lateFacts = await client.transactions.addFacts(seen.created.id, facts);
seen.second = await client.transactions.create(request);
seen.facts = await client.transactions.addFacts(seen.second.id, facts);
seen.completed = await client.transactions.complete(seen.created.id, {
  outcome: "success",
  responseFacts: { source: "driver", version: "v1", facts: { durationMs: 5 } },
});
seen.isCompleted = client.transactions.isCompleted(await client.transactions.get(seen.created.id));
seen.secondComplete = await client.transactions.complete(seen.created.id, { outcome: "success" }).catch((error) => error.message);

// The authorizer creates and polls.
const authorizer = new TransactionAuthorizer({ sapiomClient: client });
seen.authorized = await authorizer.createAndAuthorize({ serviceName: "tools", actionName: "call", resourceName: "search" });

// A whole round of the fetch wrapper against a server of our own; it completes the transaction in the background.
const upstream = http.createServer((request, response) => {
  seen.headerSent = request.headers["x-sapiom-transaction-id"];
  response.writeHead(request.url === "/broken" ? 500 : 200, { "content-type": "application/json" });
  response.end('{"ok":true}');
});
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));
const target = `http://127.0.0.1:${upstream.address().port}`;
const wrapped = createFetch({ apiKey, baseURL, failureMode: "closed", agentName: "fetcher" });
async function finished(id) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const transaction = await client.transactions.get(id);
    if (transaction.status === "completed") return transaction;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`transaction ${id} was never completed`);
}
seen.fetched = await (await wrapped(`${target}/things?page=1`, { method: "POST", body: "{}" })).json();
seen.fetchedTransaction = await finished(seen.headerSent);
await wrapped(`${target}/broken`);
seen.brokenTransaction = await finished(seen.headerSent);

// Closed means closed: without a key nothing is fetched.
const locked = createFetch({ apiKey: "wrong", baseURL, failureMode: "closed" });
seen.refused = await locked(target).catch((error) => error.message);
upstream.close();
process.stdout.write(JSON.stringify(seen));
