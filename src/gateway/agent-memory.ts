import { homedir } from "node:os";
import { join } from "node:path";
import type { StatePaths } from "../config/paths.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { NoteIndex } from "../store/note-index.ts";
import { MemoryNotes } from "../tools/memory/memory-notes.ts";
import { WorkspaceFiles } from "../tools/workspace-files.ts";

type MemoryInput = { paths: Pick<StatePaths, "gateway">; log: Log; clock: Clock };

/** The notes of all agents. Each has an index of its own, in a file that is made with the first search. */
export function createMemory({ paths, log, clock }: MemoryInput): MemoryNotes {
  const indexLog = log.child({ subsystem: "memory" });
  return new MemoryNotes({
    files: new WorkspaceFiles({ home: process.env["HOME"] || homedir() }),
    openIndex: (agentId) => new NoteIndex(join(paths.gateway, "note-index", `${agentId}.sqlite`), indexLog),
    clock,
  });
}
