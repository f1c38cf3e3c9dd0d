/** Rounds of a test with random input: a quarter of `all`, and all of them with `npm run test:unit -- --all-rounds`. */
export const rounds = (all: number): number => (process.env["OPENCLAW_TEST_ALL_ROUNDS"] === "1" ? all : Math.ceil(all / 4));
