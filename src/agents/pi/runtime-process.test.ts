// Group: wire
// The tests of the runtime, with stock Pi processes in place of the shared host.
process.env["PI_TEST_HOST"] = "process";
await import("./runtime.test.ts");
