// Gateways as far as their links know them, without processes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createDevice, type DeviceIdentity } from "../src/client/device.ts";
import { asId, type RunId } from "../src/core/ids.ts";
import { silentLog } from "../src/core/log.ts";
import { silentMetrics } from "../src/core/metrics.ts";
import type { PeerOutcome, PeerSettings, StoredEnvelope } from "../src/peers/context.ts";
import type { Packet } from "../src/peers/envelope.ts";
import { PeerService } from "../src/peers/peer-service.ts";
import { conversationIdOf, requestIdOf } from "../src/peers/remote-turn.ts";
import type { InboxRow } from "../src/store/inbox.ts";
import { openStore } from "../src/store/open.ts";
import { createPeerRows } from "../src/store/peers.ts";
import type { Submission, SubmitResult } from "../src/turns/submission.ts";
import { FakeClock } from "./fakes/fake-clock.ts";
import { placeStore } from "./fakes/store-template.ts";

export const LINK: PeerSettings = {
  enabled: true,
  transport: "openclaw",
  accept: { agents: ["main", "main@third"], methods: ["agent", "agents.list"], channels: ["*"] },
  send: { agents: ["*", "main@third"], methods: ["agent"], channels: ["*"] },
  maxHops: 3,
  expireMinutes: 60,
  maxQueued: 100,
};

type Run = Pick<InboxRow, "state" | "outcome"> & { submission: Submission };

/** One gateway, as far as its links know it. `links`: the name of each link and whose key it has. */
export function testGateway(t: TestContext, clock: FakeClock, identity: DeviceIdentity, settings: Record<string, Partial<PeerSettings>>) {
  const dir = mkdtempSync(join(tmpdir(), "peers-"));
  placeStore(dir);
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    service.stop();
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const rows = createPeerRows<StoredEnvelope, PeerOutcome>(store);
  const runs = new Map<RunId, Run>();
  const revoked: string[] = [];
  const states = new Map<string, boolean>();
  const keyFiles = new Map<string, DeviceIdentity>();
  let isDamaged = false;
  let ids = 0;
  const prepare = (submission: Submission) => ({
    apply: () => void runs.set(submission.runId!, { state: "running", outcome: null, submission }),
    onCommit: (): SubmitResult => ({
      runId: submission.runId!,
      sessionKey: submission.sessionKey,
      agentId: submission.agentId,
      duplicate: false,
      state: "running",
      outcome: null,
    }),
    onRollback: () => {},
  });
  const links = new Map(Object.entries(settings).map(([name, some]) => [name, { ...LINK, ...some }]));
  const create = (): PeerService =>
    new PeerService({
      identity,
      keyFiles: {
        write: (made) => void keyFiles.set(made.id, made),
        read: (keyId) => {
          if (isDamaged && keyFiles.has(keyId)) throw new Error("not a key");
          return keyFiles.get(keyId) ?? null;
        },
        remove: (keyId) => void keyFiles.delete(keyId),
        removeOthers: (keyIds) => {
          for (const keyId of keyFiles.keys()) if (!keyIds.includes(keyId)) keyFiles.delete(keyId);
        },
      },
      settings: (name) => links.get(name) ?? null,
      names: () => [...links.keys()],
      rows,
      store,
      clock,
      log: silentLog,
      metrics: silentMetrics,
      crashPoint: () => {},
      newId: () => `${identity.id.slice(0, 8)}-${++ids}`,
      runOf: (runId) => runs.get(runId),
      agentIds: () => ["main", "work"],
      toolsOf: () => [],
      prepare,
      channelOf: () => "webchat",
      onRevoked: (name) => void revoked.push(name),
      onState: (name, state) => void (state === null ? states.delete(name) : states.set(name, state.isUp)),
      random: () => 0.5,
      defaultAgent: () => "main",
      isA2aServed: () => true,
    });
  let service = create();
  return {
    identity,
    keyFiles,
    /** No private key of a link can be read any more. */
    damage: () => void (isDamaged = true),
    rows,
    store,
    runs,
    revoked,
    states,
    links,
    get service() {
      return service;
    },
    /** The process starts again on the same rows. */
    restart: async () => {
      service.stop();
      service = create();
      await service.start();
    },
    pin: async (name: string, { id, publicKey }: DeviceIdentity) => {
      await store.write(() => rows.saveKey({ name, keyId: id, publicKey, pairedAt: 0 }));
      service.stop();
      service = create();
    },
    answer: (runId: RunId, text: string) => {
      const run = runs.get(runId)!;
      runs.set(runId, { ...run, state: "done", outcome: { status: "ok", text, stopReason: "stop", endedAt: clock.now() } });
      service.onTurnEnded(runId);
    },
    ask: (peer: string, text: string, runId: string, agent = "main") =>
      service.ask({
        id: requestIdOf(runId),
        peer,
        agent,
        runId: asId<RunId>(runId),
        conversation: conversationIdOf("agent:main@office:main"),
        isNew: false,
        text,
      }),
  };
}

export type Side = ReturnType<typeof testGateway>;
export type Loss = () => "none" | "before" | "after";

let connections = 0;

/** The key that a gateway with one link has for it. */
export const idOf = ({ rows, identity }: Side): string => rows.ownKeys().find(({ state }) => state === "current")?.keyId ?? identity.id;

/** A connection between two gateways. What `loss` says is lost ends it. */
export function connect(a: Side, b: Side, loss: Loss = () => "none"): () => void {
  const conn = `conn-${++connections}`;
  const [one, other] = [a.service, b.service];
  let isOpen = true;
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    one.disconnected(conn);
    other.disconnected(conn);
  };
  const carry = (from: PeerService, to: PeerService, sender: string) => (_: string, payload: unknown) => {
    const { id, packet } = payload as { id: string; packet: Packet };
    const lost = loss();
    if (lost === "before") return end();
    to.receive(sender, packet).then(
      (ack) => {
        if (!isOpen || lost === "after") return end();
        from.acknowledge(conn, id, ack);
      },
      () => end(),
    );
  };
  one.connected(conn, idOf(b), carry(one, other, idOf(a)), end);
  other.connected(conn, idOf(a), carry(other, one, idOf(b)), end);
  return end;
}

export async function linked(t: TestContext, settings: { home?: Partial<PeerSettings>; office?: Partial<PeerSettings> } = {}) {
  const clock = new FakeClock();
  const [homeKey, officeKey] = [createDevice(), createDevice()];
  const home = testGateway(t, clock, homeKey, { office: settings.home ?? {} });
  const office = testGateway(t, clock, officeKey, { home: settings.office ?? {} });
  await home.pin("office", officeKey);
  await office.pin("home", homeKey);
  return { clock, home, office };
}
