// Loaded into an agent host with `--import`: a message that contains `fault:loop` or `fault:alloc` makes the host loop, or allocate
// 1 GiB, before it asks the model.
const fetched = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const body = typeof init?.body === "string" ? init.body : "";
  const last = body.slice(body.lastIndexOf('"role":"user"'));
  if (last.includes("fault:loop")) for (;;);
  if (last.includes("fault:alloc")) {
    const kept = [];
    for (let mib = 0; mib < 1024; mib++) kept.push(Array.from({ length: 131_072 }, () => mib));
  }
  return fetched(input, init);
};
