// Changes the key of a store and is killed at a named point.
//   node killed-rekey.ts DIR POINT
import { SecretStore } from "../../src/secrets/store.ts";

const [dir = "", wanted] = process.argv.slice(2);
const store = new SecretStore({
  dir,
  env: {},
  now: Date.now,
  crashPoint: (point) => {
    if (point === wanted) process.kill(process.pid, "SIGKILL");
  },
});
await store.rekey("file");
