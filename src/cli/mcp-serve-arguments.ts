/** An argument of a tool, in the words of JSON Schema. */
type Field =
  | { type: "string"; minLength?: number; enum?: string[]; description?: string }
  | { type: "integer"; minimum: number; maximum: number; description?: string }
  | { type: "boolean"; description?: string };

/** A tool that `openclaw mcp serve` offers. `run` resolves to its result, or to `{ failure }` with the reason. */
export type ServedTool = {
  name: string;
  description: string;
  fields: Readonly<Record<string, Field>>;
  required?: readonly string[];
  run: (args: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Record<string, unknown>>;
};

/** Why arguments are not those of a tool; null when they are. Further ones are passed over. Pure. */
export function checkToolArguments({ fields, required = [] }: Pick<ServedTool, "fields" | "required">, args: object): string | null {
  for (const name of required) if (!Object.hasOwn(args, name)) return `${name} is missing`;
  for (const [name, field] of Object.entries(fields)) {
    if (!Object.hasOwn(args, name)) continue;
    const problem = problemOf(field, (args as Record<string, unknown>)[name]);
    if (problem !== null) return `${name} ${problem}`;
  }
  return null;
}

function problemOf(field: Field, value: unknown): string | null {
  if (field.type === "boolean") return typeof value === "boolean" ? null : "must be true or false";
  if (field.type === "integer") {
    const { minimum, maximum } = field;
    const isWithin = typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum;
    return isWithin ? null : `must be a whole number from ${minimum} to ${maximum}`;
  }
  if (typeof value !== "string") return "must be a text";
  if (value.length < (field.minLength ?? 0)) return "must not be empty";
  return field.enum === undefined || field.enum.includes(value) ? null : `must be one of ${field.enum.join(", ")}`;
}
