/** What a channel may declare, in the words of the report. */
export const ABILITIES = [
  "edit",
  "typing",
  "reactions",
  "media in",
  "media out",
  "buttons",
  "commands",
  "polls",
  "event edit",
  "event delete",
  "event reaction",
  "event press",
  "event move",
] as const;
export type Ability = (typeof ABILITIES)[number];

/**
 * The name of a test that proves these abilities: an ability that a channel declares fails the channel unless a test with its name in
 * such a list has passed. What the rest of a name says proves nothing.
 */
export const proves = (abilities: readonly Ability[], name: string): string => `${name} [proves ${abilities.join(", ")}]`;

/** The abilities that a test's name claims to prove. */
export function provenBy(name: string): readonly Ability[] {
  const list = /\[proves ([a-z, ]+)\]$/.exec(name)?.[1]?.split(", ") ?? [];
  return ABILITIES.filter((ability) => list.includes(ability));
}
