/** Limits of secrets that are read from programs and of the encrypted store. */
export const SECRET_LIMITS = {
  /** One value; a longer one is refused. */
  valueBytes: 65_536,
  /** Entries of the store; one more is refused. */
  entries: 1_000,
  /** The file of the store; a larger one is not read. */
  fileBytes: 90_000_000,
  /** A file that holds a key or a passphrase; what is beyond is not read. */
  keyFileBytes: 4_096,
  /** The shortest passphrase. */
  passphraseChars: 12,
  /** Work of scrypt: 32 MiB and about 0.1 s. */
  scrypt: { N: 32_768, r: 8, p: 1, maxmem: 128 * 1_048_576 },
  /** Time that a change of the store waits for another one. */
  lockMs: 10_000,
  lockPollMs: 25,
  /** Default time of a program, and default size of what it may print. */
  programMs: 5_000,
  programBytes: 1_048_576,
  /** How long a value of a program is used before the program is asked again. */
  cacheMs: 300_000,
  /** The first and the longest pause before a program that failed is asked again. */
  retryMs: 30_000,
  retryMaxMs: 600_000,
  /** Time of `secret-tool`, which may have to ask a person to unlock the keyring. */
  keyringMs: 30_000,
} as const;
