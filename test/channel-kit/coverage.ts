/** What a channel may declare, in the words of the report. */
export const CAPABILITIES = [
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
  "event interaction",
  "event migration",
] as const;
export type CapabilityName = (typeof CAPABILITIES)[number];

/**
 * The name of a test that proves these abilities: an ability that a channel declares fails the channel unless a test with its name in
 * such a list has passed. What the rest of a name says proves nothing.
 */
export const covers = (abilities: readonly CapabilityName[], name: string): string => `${name} [covers ${abilities.join(", ")}]`;

/** The abilities that a test's name claims to prove. */
export function coveredBy(name: string): readonly CapabilityName[] {
  const list = /\[covers ([a-z, ]+)\]$/.exec(name)?.[1]?.split(", ") ?? [];
  return CAPABILITIES.filter((ability) => list.includes(ability));
}
