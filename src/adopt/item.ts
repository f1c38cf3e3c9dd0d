/** One thing of the original, and what becomes of it. */
export type AdoptItem = {
  readonly kind: "config" | "agent" | "channel" | "model" | "key" | "person" | "workspace" | "session" | "job";
  /** What it is called there. */
  readonly name: string;
  readonly taken: boolean;
  /** Of a taken one: what of it, or what is left out. Of another: the reason. */
  readonly detail: string;
  /** Not taken because it is here already: nothing is missing. */
  readonly present?: true;
};

type Kind = AdoptItem["kind"];

export const taken = (kind: Kind, name: string, detail = ""): AdoptItem => ({ kind, name, taken: true, detail });
export const notTaken = (kind: Kind, name: string, reason: string): AdoptItem => ({ kind, name, taken: false, detail: reason });
export const present = (kind: Kind, name: string, detail = "it is here already"): AdoptItem => ({
  kind,
  name,
  taken: false,
  detail,
  present: true,
});
