// Drives the published fetch client against a shop that answers 402 and collects, and prints what came of it as one JSON object.
// Usage: node clients_paying.mjs FOLDER_WITH_NODE_MODULES BASE_URL API_KEY SHOP_API_KEY
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, baseURL, apiKey, shopKey] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "package.json"));
const { SapiomClient } = require("@sapiom/core");
const { createFetch } = require("@sapiom/fetch");

const seen = { collected: [] };
const client = new SapiomClient({ apiKey, baseURL });
const option = { scheme: "upto", network: "sapiom:main", asset: "USD", payTo: "shop.example", maxTimeoutSeconds: 300 };
const resource = "https://shop.example/search";
const challenges = {
  "/second": { x402Version: 2, resource: { url: resource, description: "Search — all" }, accepts: [{ ...option, amount: "0.5" }] },
  "/first": { x402Version: 1, error: "pay", accepts: [{ ...option, maxAmountRequired: "0.25", resource, description: "Search" }] },
  "/dear": { x402Version: 2, resource: { url: resource }, accepts: [{ ...option, amount: "500" }] },
};

async function facilitate(call, payment, challenge, amount) {
  const [requirements] = challenge.accepts;
  const named = challenge.x402Version === 2 ? "amount" : "maxAmountRequired";
  const wanted = amount === undefined ? requirements : { ...requirements, [named]: amount };
  const body = { x402Version: payment.x402Version, paymentPayload: payment, paymentRequirements: wanted };
  const headers = { "content-type": "application/json", authorization: `Bearer ${shopKey}` };
  return (await fetch(`${baseURL}/v1/x402/${call}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

const shop = http.createServer(async (request, response) => {
  const challenge = challenges[request.url];
  const header = request.headers[challenge.x402Version === 2 ? "payment-signature" : "x-payment"];
  const reply = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (!header) return reply(402, challenge);
  const payment = JSON.parse(Buffer.from(header, "base64").toString("utf8"));
  const verified = await facilitate("verify", payment, challenge);
  if (!verified.isValid) return reply(402, challenge);
  const settled = await facilitate("settle", payment, challenge, "0.2");
  seen.collected.push(settled);
  return reply(settled.success ? 200 : 500, { found: 3 });
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
const target = `http://127.0.0.1:${shop.address().port}`;
const buyer = createFetch({ apiKey, baseURL, failureMode: "closed", agentName: "buyer" });
for (const name of ["second", "first", "dear"]) {
  const response = await buyer(`${target}/${name}`);
  seen[name] = { status: response.status, body: await response.json() };
}
shop.close();
console.log(JSON.stringify(seen));
process.exit(0);
