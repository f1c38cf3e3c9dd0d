// node listeners.ts <url> <token> <count>: clients that watch every session; each line of input is answered with the events they got.
import { openClient } from "../../src/client/client.ts";
import { Secret } from "../../src/core/secret.ts";

const [url, token, count] = process.argv.slice(2) as [string, string, string];
let received = 0;
for (let n = 0; n < Number(count); n += 50) {
  const clients = await Promise.all(
    Array.from({ length: Math.min(50, Number(count) - n) }, () =>
      openClient({ url, credentials: { token: new Secret(token) }, scopes: ["operator.read"] }),
    ),
  );
  for (const client of clients) {
    client.on(() => void received++);
    await client.request("sessions.subscribe", {});
  }
}
process.stdin.on("data", () => process.stdout.write(`received ${received}\n`));
process.stdin.on("end", () => process.exit());
process.stdout.write("ready\n");
