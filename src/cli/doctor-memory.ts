import type { ProtocolClient } from "../client/client.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import type { StatusAnswer } from "./memory.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** Whether notes can be compared by what they mean, where that is configured. Asks no model. */
export async function checkMemory(client: ProtocolClient): Promise<DoctorFinding[]> {
  if (!client.serves("memory.status")) return [];
  const { embeddings } = await client.request<StatusAnswer>("memory.status", {});
  if (!embeddings) return [];
  const { provider, model, chunks, problem } = embeddings;
  if (problem === null)
    return [okFinding("embeddings", sanitizeLine(`notes are compared by ${provider}, model ${model} (${chunks} vectors)`))];
  return [
    {
      check: "embeddings",
      severity: "warning",
      title: "notes are found by words only, although memory.search.provider is set",
      why: sanitizeLine(`${problem}.`),
      fix: "correct memory.search, or start the server of the model; openclaw memory index tries again. openclaw config set memory.search.provider none turns it off.",
    },
  ];
}
