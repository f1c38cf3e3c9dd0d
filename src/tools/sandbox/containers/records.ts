import { asArray, asNumber, asObjects, asString, asStrings, fieldsOf, tryParseJson } from "../../../core/json.ts";
import { LABELS } from "./command-lines.ts";
import type { ContainerEngine } from "./engine.ts";

/** A container as the engine shows it. */
export type ContainerRecord = {
  name: string;
  image: string;
  isRunning: boolean;
  /** Of the first process on this machine; 0 when none runs. */
  pid: number;
  createdAt: number;
  /** When its last process ended; null for one that never ended. */
  endedAt: number | null;
  labels: Readonly<Record<string, string>>;
};

function toRecord(value: unknown): ContainerRecord {
  const { Name, Created, State, Config } = fieldsOf(value);
  const { Running, Pid, FinishedAt } = fieldsOf(State);
  const { Image, Labels } = fieldsOf(Config);
  const endedAt = Date.parse(asString(FinishedAt));
  return {
    // Docker writes a slash in front.
    name: asString(Name).replace(/^\//, ""),
    image: asString(Image),
    isRunning: Running === true,
    pid: asNumber(Pid) ?? 0,
    createdAt: Date.parse(asString(Created)) || 0,
    endedAt: endedAt > 0 ? endedAt : null,
    labels: Object.fromEntries(Object.entries(fieldsOf(Labels)).map(([key, label]) => [key, asString(label)])),
  };
}

/** What the engine says of one container; null when there is none. */
export async function inspectContainer(engine: ContainerEngine, name: string): Promise<ContainerRecord | null> {
  const { exitCode, output } = await engine.run(["container", "inspect", name]);
  const [record] = exitCode === 0 ? asObjects(tryParseJson(output)) : [];
  return record === undefined ? null : toRecord(record);
}

/** The containers of a gateway, which it has made with this state directory. */
export async function listContainers(engine: ContainerEngine, stateId: string): Promise<ContainerRecord[]> {
  const filters = [`label=${LABELS.sandbox}=1`, `label=${LABELS.state}=${stateId}`].flatMap((each) => ["--filter", each]);
  const names = (await engine.expect(["ps", "--all", "--quiet", "--no-trunc", ...filters])).split("\n").filter(Boolean);
  if (names.length === 0) return [];
  // One may be removed meanwhile: then the engine fails, and shows the others.
  const { output } = await engine.run(["container", "inspect", ...names]);
  return asArray(tryParseJson(output)).map(toRecord);
}

/** Names of the variables that an image sets; null when it is not there. */
export async function imageVariables(engine: ContainerEngine, image: string): Promise<readonly string[] | null> {
  const { exitCode, output } = await engine.run(["image", "inspect", image]);
  const [record] = exitCode === 0 ? asObjects(tryParseJson(output)) : [];
  return record === undefined ? null : asStrings(fieldsOf(record["Config"])["Env"]).map((entry) => entry.split("=")[0]!);
}
