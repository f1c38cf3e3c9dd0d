/** JSON Schema, as far as it is used here. */
export type JsonSchema = {
  type?: string | readonly string[];
  required?: readonly string[];
  properties?: Readonly<Record<string, JsonSchema>>;
  additionalProperties?: boolean;
  items?: JsonSchema;
  enum?: readonly (string | number)[];
  const?: string | number | boolean;
  anyOf?: readonly JsonSchema[];
  patternProperties?: Readonly<Record<string, JsonSchema>>;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
};

const boundedString = (maxLength: number): JsonSchema => ({ type: "string", minLength: 1, maxLength });
const objectSchema = (properties: Record<string, JsonSchema>, required: readonly string[] = []): JsonSchema => ({
  type: "object",
  required,
  properties,
  additionalProperties: false,
});
const NO_PARAMS = objectSchema({});
const sessionKey = boundedString(512);
const JOB_ID = { id: boundedString(128), jobId: boundedString(128) };

/** What goes over a link to another gateway. */
const PACKET = objectSchema({ body: boundedString(4_000_000), signature: boundedString(256) }, ["body", "signature"]);

/** The days of a report. */
const DAYS: Readonly<Record<string, JsonSchema>> = {
  days: { type: "integer", minimum: 1, maximum: 400 },
  startDate: boundedString(32),
  endDate: boundedString(32),
  mode: { type: "string", enum: ["utc", "gateway", "specific"] },
  timeZone: boundedString(64),
  utcOffset: boundedString(16),
};

/** Params of served methods for which the published schema has no definition under the method's own name. */
export const OWN_PARAMS: Readonly<Record<string, JsonSchema>> = {
  "audit.details": objectSchema({
    agentId: boundedString(128),
    sessionKey,
    runId: boundedString(256),
    kind: { type: "string", enum: ["agent_run", "tool_action"] },
    status: { type: "string", enum: ["started", "succeeded", "failed", "cancelled", "timed_out", "blocked", "unknown"] },
    after: { type: "integer", minimum: 0 },
    before: { type: "integer", minimum: 0 },
    limit: { type: "integer", minimum: 1, maximum: 500 },
    cursor: boundedString(32),
  }),
  "backup.create": objectSchema({
    output: boundedString(4_096),
    includeWorkspace: { type: "boolean" },
    secrets: { type: "boolean" },
    onlyConfig: { type: "boolean" },
    verify: { type: "boolean" },
  }),
  "backup.status": NO_PARAMS,
  "secrets.reload": NO_PARAMS,
  "secrets.store.list": NO_PARAMS,
  "browser.explain": objectSchema({ deep: { type: "boolean" } }),
  "browser.profiles": objectSchema({ agentId: boundedString(128) }),
  "browser.profiles.reset": objectSchema({ profile: boundedString(64), agentId: boundedString(128), allAgents: { type: "boolean" } }),
  "browser.request": objectSchema({
    action: boundedString(64),
    args: { type: "object" },
    sessionKey,
    agentId: boundedString(128),
    method: boundedString(16),
    path: boundedString(512),
    query: { type: "object" },
    body: { type: "object" },
    timeoutMs: { type: "integer", minimum: 1, maximum: 600_000 },
  }),
  "browser.screenshot": objectSchema({ agentId: boundedString(128), profile: boundedString(64), sessionKey, targetId: boundedString(64) }, [
    "agentId",
    "profile",
    "sessionKey",
    "targetId",
  ]),
  "browser.tabs": NO_PARAMS,
  "budgets.lift": objectSchema(
    {
      name: boundedString(64),
      // Of one agent, channel, sender or cause; left out: all of them.
      for: boundedString(640),
      durationMs: { type: "integer", minimum: 0, maximum: 31 * 86_400_000 },
    },
    ["name"],
  ),
  "budgets.status": NO_PARAMS,
  "channels.catalog": NO_PARAMS,
  "config.history": objectSchema({ id: { type: "integer", minimum: 1 } }),
  // An edit is checked with its names (src/methods/config-plan.ts).
  "config.plan": objectSchema(
    { raw: { type: "string" }, edits: { type: "array", maxItems: 256, items: { type: "object" } }, baseHash: boundedString(256) },
    ["raw"],
  ),
  "channels.verify": objectSchema({ channel: boundedString(64), accountId: boundedString(128), config: { type: "object" } }, ["channel"]),
  "chat.media": objectSchema(
    { sessionKey, agentId: boundedString(128), messageId: boundedString(256), index: { type: "integer", minimum: 0, maximum: 1_000 } },
    ["sessionKey", "messageId", "index"],
  ),
  // The published definitions are two sets of params each: with `id`, and with its other name `jobId`.
  "cron.get": objectSchema(JOB_ID),
  "cron.remove": objectSchema(JOB_ID),
  "cron.run": objectSchema({
    ...JOB_ID,
    mode: { type: "string", enum: ["due", "force", "if-enabled"] },
    expectedProcessInstanceId: boundedString(128),
  }),
  // The fields of the patch are checked one by one, with their names (src/schedule/edit.ts).
  "cron.update": objectSchema({ ...JOB_ID, patch: { type: "object" }, expectedConfigRevision: boundedString(128) }, ["patch"]),
  "deadletters.drop": objectSchema({ id: boundedString(640) }, ["id"]),
  "deadletters.list": NO_PARAMS,
  "deadletters.retry": objectSchema({ id: boundedString(640) }, ["id"]),
  "deadletters.show": objectSchema({ id: boundedString(640) }, ["id"]),
  "exec.approval.list": NO_PARAMS,
  "exec.approval.waitDecision": objectSchema({ id: boundedString(128) }, ["id"]),
  "gateway.doctor": NO_PARAMS,
  "gateway.identity.get": NO_PARAMS,
  "gateway.overview": NO_PARAMS,
  "diagnostics.cpuProfile": objectSchema({ durationMs: { type: "integer", minimum: 100, maximum: 300_000 } }),
  "diagnostics.heapProfile": objectSchema({ durationMs: { type: "integer", minimum: 100, maximum: 300_000 } }),
  "gateway.restart.request": objectSchema({ reason: boundedString(500), delayMs: { type: "integer", minimum: 0, maximum: 3_600_000 } }),
  health: objectSchema({ probe: { type: "boolean" }, includeSensitive: { type: "boolean" } }),
  "last-heartbeat": NO_PARAMS,
  "heartbeat.status": NO_PARAMS,
  "hooks.deliveries": objectSchema({ limit: { type: "integer", minimum: 1, maximum: 200 }, hook: boundedString(128) }),
  "hooks.test": objectSchema({ hook: boundedString(128), payload: { type: "object" }, headers: { type: "object" } }, ["hook"]),
  "memory.index": objectSchema({ agentId: boundedString(128), force: { type: "boolean" } }),
  "memory.search": objectSchema(
    {
      query: { type: "string", minLength: 1, maxLength: 1_024 },
      agentId: boundedString(128),
      maxResults: { type: "integer", minimum: 1, maximum: 25 },
    },
    ["query"],
  ),
  "memory.status": objectSchema({ agentId: boundedString(128) }),
  "doctor.memory.status": objectSchema({ agentId: boundedString(128), probe: { type: "boolean" } }),
  "mcp.accept": objectSchema({ name: boundedString(256) }, ["name"]),
  "mcp.login.finish": objectSchema({ name: boundedString(256), callback: boundedString(8_192) }, ["name", "callback"]),
  "mcp.login.start": objectSchema({ name: boundedString(256), redirectUrl: boundedString(2_048) }, ["name", "redirectUrl"]),
  "mcp.logout": objectSchema({ name: boundedString(256) }, ["name"]),
  "mcp.reload": objectSchema({ name: boundedString(256) }),
  "mcp.status": objectSchema({ name: boundedString(256), probe: { type: "boolean" } }),
  "mcp.tools": objectSchema({ name: boundedString(256), agentId: boundedString(128) }, ["name"]),
  // The published definitions require the lists, which have no effect here beyond the empty one.
  "node.pluginTools.update": objectSchema({ tools: { type: "array", maxItems: 256, items: { type: "object" } } }),
  "node.runnerInventory.update": objectSchema({
    protocolFeatures: { type: "array", maxItems: 64, items: boundedString(128) },
    workerHost: { type: "object" },
  }),
  "node.skills.update": objectSchema({ skills: { type: "array", maxItems: 64, items: { type: "object" } } }),
  "models.key.remove": objectSchema({ provider: boundedString(64) }, ["provider"]),
  "models.key.set": objectSchema({ provider: boundedString(64), key: boundedString(8_192) }, ["provider", "key"]),
  "models.set": objectSchema({ model: boundedString(256), agentId: boundedString(128) }, ["model"]),
  "sessions.export": objectSchema(
    {
      key: sessionKey,
      agentId: boundedString(128),
      after: { type: "integer", minimum: 0 },
      limit: { type: "integer", minimum: 1, maximum: 200 },
    },
    ["key"],
  ),
  "sessions.import": objectSchema(
    {
      key: sessionKey,
      agentId: boundedString(128),
      importId: boundedString(512),
      messages: { type: "array", maxItems: 200, items: { type: "object" } },
      chatKind: { type: "string", enum: ["direct", "group", "channel"] },
      channel: boundedString(64),
      label: boundedString(512),
      title: boundedString(512),
    },
    ["key", "importId", "messages"],
  ),
  "sessions.get": objectSchema({ key: sessionKey, agentId: boundedString(128), limit: { type: "integer", minimum: 1 } }, ["key"]),
  "sessions.timeline": objectSchema({ id: boundedString(256), key: sessionKey, agentId: boundedString(128) }),
  "openclaw.approval.list": NO_PARAMS,
  "peer.ack": objectSchema({ id: boundedString(128), packet: PACKET }, ["id", "packet"]),
  "peer.hello": objectSchema({ nonce: boundedString(128) }, ["nonce"]),
  "peer.push": objectSchema({ packet: PACKET }, ["packet"]),
  "peers.add": objectSchema(
    {
      name: boundedString(32),
      url: boundedString(2_048),
      tlsFingerprint: boundedString(128),
      transport: { enum: ["openclaw", "a2a"] },
      token: boundedString(200),
      outboundToken: boundedString(200),
      accept: { type: "array", maxItems: 256, items: boundedString(320) },
      send: { type: "array", maxItems: 256, items: boundedString(320) },
    },
    ["name"],
  ),
  "peers.approve": objectSchema({ name: boundedString(32), fingerprint: boundedString(64) }, ["name", "fingerprint"]),
  "peers.list": NO_PARAMS,
  "peers.pair": objectSchema({ name: boundedString(32), code: boundedString(256) }, ["name"]),
  "peers.remove": objectSchema({ name: boundedString(32) }, ["name"]),
  "peers.rotate": objectSchema({ name: boundedString(32) }, ["name"]),
  "peers.test": objectSchema({ name: boundedString(32) }, ["name"]),
  "plugin.approval.list": NO_PARAMS,
  "plugin.approval.waitDecision": objectSchema({ id: boundedString(128) }, ["id"]),
  "plugins.status": objectSchema({ id: boundedString(128) }),
  "retention.run": NO_PARAMS,
  "retention.status": NO_PARAMS,
  "route.explain": objectSchema(
    {
      channel: boundedString(64),
      account: boundedString(128),
      peer: boundedString(512),
      group: { type: "boolean" },
      text: { type: "string", maxLength: 8_192 },
    },
    ["channel", "account", "peer"],
  ),
  "sandbox.explain": objectSchema({ agentId: boundedString(128), sessionKey }),
  "sandbox.list": NO_PARAMS,
  "sandbox.recreate": objectSchema({ agentId: boundedString(128), sessionKey, all: { type: "boolean" } }),
  "sessions.usage.timeseries": objectSchema({ key: sessionKey, agentId: boundedString(128) }, ["key"]),
  "usage.calls": objectSchema({ after: { type: "integer", minimum: 0 }, limit: { type: "integer", minimum: 1, maximum: 1_000 } }),
  "usage.cost": objectSchema({ ...DAYS, agentId: boundedString(128), agentScope: { type: "string", enum: ["all"] } }),
  "usage.report": objectSchema({
    ...DAYS,
    by: { type: "array", maxItems: 6, items: { type: "string", enum: ["agent", "channel", "sender", "cause", "provider", "model"] } },
    byDay: { type: "boolean" },
    agent: boundedString(128),
    channel: boundedString(64),
    sender: boundedString(512),
    cause: boundedString(64),
    provider: boundedString(256),
    model: boundedString(256),
  }),
  "usage.status": NO_PARAMS,
  "tools.explain": objectSchema({
    agentId: boundedString(128),
    channel: boundedString(64),
    account: boundedString(128),
    peer: boundedString(512),
    group: { type: "boolean" },
    sessionKey,
    tool: boundedString(256),
  }),
  "set-heartbeats": objectSchema({ enabled: { type: "boolean" } }, ["enabled"]),
  // The published definition also has updates from ClawHub, which are not served.
  "skills.update": objectSchema(
    {
      skillKey: boundedString(128),
      enabled: { type: "boolean" },
      apiKey: { type: "string", maxLength: 8_192 },
      env: { type: "object", patternProperties: { "^.*$": { type: "string", maxLength: 8_192 } } },
    },
    ["skillKey"],
  ),
  status: objectSchema({ includeChannelSummary: { type: "boolean" }, includeCliProjection: { type: "boolean" } }),
  "system-event": objectSchema(
    {
      text: boundedString(8_192),
      deviceId: boundedString(128),
      instanceId: boundedString(128),
      host: boundedString(256),
      ip: boundedString(64),
      mode: boundedString(64),
      version: boundedString(128),
      platform: boundedString(128),
      deviceFamily: boundedString(128),
      modelIdentifier: boundedString(128),
      lastInputSeconds: { type: "number", minimum: 0 },
      reason: boundedString(256),
      roles: { type: "array", maxItems: 16, items: boundedString(64) },
      scopes: { type: "array", maxItems: 32, items: boundedString(64) },
      tags: { type: "array", maxItems: 32, items: boundedString(64) },
    },
    ["text"],
  ),
  "system-presence": NO_PARAMS,
  "tokens.create": objectSchema(
    {
      name: boundedString(64),
      scopes: { type: "array", minItems: 1, maxItems: 16, items: boundedString(64) },
      // Left out: 90 days. Null: the token does not expire.
      expiresInMs: { type: ["integer", "null"], minimum: 60_000 },
    },
    ["name", "scopes"],
  ),
  "tokens.list": NO_PARAMS,
  "tokens.revoke": objectSchema({ id: boundedString(64) }, ["id"]),
};

/** Methods whose params are defined under another name than their own. */
export const DEFINED_AS: Readonly<Record<string, string>> = {
  "agent.identity.get": "AgentIdentityParams",
  "chat.startup": "ChatHistoryParams",
  "tasks.dismiss": "TasksRecoveryParams",
  "tasks.retry": "TasksRecoveryParams",
  "node.pending.pull": "NodeListParams",
  "sessions.subscribe": "SessionsListParams",
};

/** Methods that take one of several sets of required params, where the published definition knows one. */
export const REQUIRED_SETS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "chat.startup": [["sessionKey"], ["shortId", "agentId"]],
  "cron.get": [["id"], ["jobId"]],
  "cron.remove": [["id"], ["jobId"]],
  "cron.run": [["id"], ["jobId"]],
  "cron.update": [
    ["id", "patch"],
    ["jobId", "patch"],
  ],
};

/** Params that hold the params of another method, and are checked by the rules of that one. */
export const NESTED_PARAMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "sessions.search": { scope: "sessions.list" },
};

const booleanSchema: JsonSchema = { type: "boolean" };
const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: "null" }] });
const mentions: JsonSchema = { type: "array", maxItems: 256, items: { type: "object" } };

const LIST_PROPERTIES: Readonly<Record<string, JsonSchema>> = {
  hasBoard: booleanSchema,
  activeOnly: booleanSchema,
  excludeSubagents: booleanSchema,
  excludeCron: booleanSchema,
  excludeSystem: booleanSchema,
  includeActivitySummary: booleanSchema,
  projectId: boundedString(512),
  workspaceDir: boundedString(4_096),
  group: { type: "string", maxLength: 512 },
  pinned: booleanSchema,
  profileRelation: objectSchema(
    { profileId: boundedString(512), relationship: { type: "string", enum: ["owned", "created", "involving"] } },
    ["profileId", "relationship"],
  ),
  sortBy: { type: "string", enum: ["activity", "lastInteractionAt", "updatedAt"] },
};

/**
 * Properties, or values of properties, that released clients send although the published schema does not know them yet; `grant`, for how long
 * a command is allowed, is an addition of this gateway.
 */
export const ADDED_PROPERTIES: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>> = {
  "agents.update": { agentRuntime: boundedString(128) },
  "approval.resolve": { grant: boundedString(16) },
  "exec.approval.resolve": { grant: boundedString(16) },
  connect: { modelCatalog: objectSchema({ sessionKey, agentId: boundedString(128) }) },
  "chat.history": { maxBytes: { type: "integer", minimum: 1 } },
  "chat.metadata": { authProfileId: boundedString(256) },
  "chat.send": {
    mentions,
    workContext: objectSchema(
      {
        page: boundedString(64),
        title: { type: "string", maxLength: 96 },
        sessionKey: { type: "string", maxLength: 192 },
        sessionId: { type: "string", maxLength: 64 },
        agentId: { type: "string", maxLength: 64 },
        workspace: { type: "string", maxLength: 224 },
        file: { type: "string", maxLength: 224 },
        selection: { type: "string", maxLength: 640 },
      },
      ["page"],
    ),
    __controlUiReconnectResume: booleanSchema,
  },
  // Policies of a job, which the published schema does not know.
  "cron.add": {
    missed: objectSchema(
      {
        policy: { type: "string", enum: ["skip", "once", "all"] },
        windowMs: { type: "integer", minimum: 60_000, maximum: 31 * 86_400_000 },
      },
      ["policy"],
    ),
    overlap: { type: "string", enum: ["skip", "queue"] },
    maxRetries: { type: "integer", minimum: 0, maximum: 10 },
  },
  "chat.startup": { maxBytes: { type: "integer", minimum: 1 }, shortId: boundedString(64), slugHint: boundedString(512) },
  "models.list": {
    provider: boundedString(128),
    includeDetails: booleanSchema,
    includeDefaultModels: booleanSchema,
    sessionKey,
    agentId: boundedString(128),
    authProfileId: boundedString(256),
  },
  "sessions.create": {
    titleSource: { type: "string", maxLength: 1_000 },
    agentRuntime: boundedString(128),
    timeoutMs: { type: "integer", minimum: 0 },
    mentions,
    repository: { type: "object" },
    worktreeSource: boundedString(32),
    worktreeBaseRef: { type: "string", maxLength: 1_024 },
    projectId: { type: "string", maxLength: 512 },
    projectGitUrl: { type: "string", maxLength: 2_048 },
    execNode: { type: "string", maxLength: 512 },
    cwd: { type: "string", maxLength: 4_096 },
  },
  "sessions.describe": { agentId: boundedString(128) },
  "sessions.list": LIST_PROPERTIES,
  "sessions.patch": {
    expectedSandboxMode: nullable({ type: "string", const: "off" }),
    expectedNativeRuntimeConsent: nullable(boundedString(512)),
    autoLabel: nullable(boundedString(512)),
    boardPresentation: nullable({ type: "string", enum: ["split", "expanded"] }),
    sandboxMode: nullable({ type: "string", const: "off" }),
    nativeRuntimeConsent: nullable(boundedString(512)),
    agentRuntime: nullable(boundedString(128)),
  },
  "sessions.reset": { expectedSessionId: boundedString(128) },
  "sessions.resolve": { reference: objectSchema({ key: boundedString(512), slug: boundedString(512) }, ["key"]) },
  "sessions.send": { mentions },
  "sessions.subscribe": { ...LIST_PROPERTIES, includeApprovals: booleanSchema },
  "tasks.list": { sortBy: { type: "string", enum: ["createdAt", "updatedAt", "endedAt"] } },
  "web.login.start": { channel: boundedString(64) },
  "web.login.wait": { channel: boundedString(64), sessionKey },
};

/** Scopes of served methods that the published table does not list. */
export const OWN_SCOPES: Readonly<Record<string, string>> = {
  "audit.details": "operator.admin",
  "backup.create": "operator.admin",
  "backup.status": "operator.read",
  "retention.run": "operator.admin",
  "retention.status": "operator.read",
  "secrets.reload": "operator.admin",
  "secrets.store.list": "operator.admin",
  "browser.explain": "operator.read",
  "browser.profiles": "operator.read",
  "browser.profiles.reset": "operator.admin",
  "browser.screenshot": "operator.read",
  "browser.tabs": "operator.read",
  "browser.request": "operator.admin",
  "budgets.lift": "operator.admin",
  "budgets.status": "operator.read",
  "heartbeat.status": "operator.read",
  "hooks.deliveries": "operator.read",
  "hooks.test": "operator.admin",
  "channels.catalog": "operator.read",
  "channels.verify": "operator.admin",
  "config.history": "operator.read",
  "config.plan": "operator.admin",
  "chat.media": "operator.read",
  "deadletters.drop": "operator.admin",
  "deadletters.list": "operator.read",
  "deadletters.retry": "operator.admin",
  "deadletters.show": "operator.read",
  "diagnostics.cpuProfile": "operator.admin",
  "diagnostics.heapProfile": "operator.admin",
  "doctor.memory.status": "operator.read",
  "gateway.doctor": "operator.read",
  "gateway.identity.get": "operator.read",
  "gateway.overview": "operator.read",
  "memory.index": "operator.write",
  "memory.search": "operator.read",
  "memory.status": "operator.read",
  "mcp.accept": "operator.admin",
  "mcp.login.finish": "operator.admin",
  "mcp.login.start": "operator.admin",
  "mcp.logout": "operator.admin",
  "mcp.reload": "operator.admin",
  "mcp.status": "operator.read",
  "mcp.tools": "operator.read",
  "sessions.export": "operator.admin",
  "sessions.get": "operator.read",
  "sessions.import": "operator.admin",
  "sessions.timeline": "operator.read",
  "models.key.remove": "operator.admin",
  "models.key.set": "operator.admin",
  "models.set": "operator.admin",
  "peer.ack": "peer",
  "peer.hello": "peer",
  "peer.push": "peer",
  "peers.add": "operator.admin",
  "peers.approve": "operator.admin",
  "peers.list": "operator.read",
  "peers.pair": "operator.admin",
  "peers.remove": "operator.admin",
  "peers.rotate": "operator.admin",
  "peers.test": "operator.write",
  "plugins.status": "operator.read",
  "route.explain": "operator.read",
  "sandbox.explain": "operator.read",
  "sandbox.list": "operator.read",
  "sandbox.recreate": "operator.admin",
  "tools.explain": "operator.read",
  "usage.calls": "operator.read",
  "usage.report": "operator.read",
  "tokens.create": "operator.admin",
  "tokens.list": "operator.admin",
  "tokens.revoke": "operator.admin",
};
