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

const text = (maxLength: number): JsonSchema => ({ type: "string", minLength: 1, maxLength });
const object = (properties: Record<string, JsonSchema>, required: readonly string[] = []): JsonSchema => ({
  type: "object",
  required,
  properties,
  additionalProperties: false,
});
const none = object({});
const key = text(512);

/** Params of served methods for which the published schema has no definition under the method's own name. */
export const OWN_PARAMS: Readonly<Record<string, JsonSchema>> = {
  "channels.catalog": none,
  "channels.verify": object({ channel: text(64), accountId: text(128), config: { type: "object" } }, ["channel"]),
  "chat.media": object(
    { sessionKey: key, agentId: text(128), messageId: text(256), index: { type: "integer", minimum: 0, maximum: 1_000 } },
    ["sessionKey", "messageId", "index"],
  ),
  "deadletters.drop": object({ id: text(640) }, ["id"]),
  "deadletters.list": none,
  "deadletters.retry": object({ id: text(640) }, ["id"]),
  "deadletters.show": object({ id: text(640) }, ["id"]),
  "gateway.restart.request": object({ reason: text(500), delayMs: { type: "integer", minimum: 0, maximum: 3_600_000 } }),
  health: object({ probe: { type: "boolean" }, includeSensitive: { type: "boolean" } }),
  "last-heartbeat": none,
  "models.set": object({ model: text(256), agentId: text(128) }, ["model"]),
  "route.explain": object(
    { channel: text(64), account: text(128), peer: text(512), group: { type: "boolean" }, text: { type: "string", maxLength: 8_192 } },
    ["channel", "account", "peer"],
  ),
  "set-heartbeats": object({ enabled: { type: "boolean" } }, ["enabled"]),
  status: object({ includeChannelSummary: { type: "boolean" }, includeCliProjection: { type: "boolean" } }),
  "system-event": object(
    {
      text: text(8_192),
      deviceId: text(128),
      instanceId: text(128),
      host: text(256),
      ip: text(64),
      mode: text(64),
      version: text(128),
      platform: text(128),
      deviceFamily: text(128),
      modelIdentifier: text(128),
      lastInputSeconds: { type: "number", minimum: 0 },
      reason: text(256),
      roles: { type: "array", maxItems: 16, items: text(64) },
      scopes: { type: "array", maxItems: 32, items: text(64) },
      tags: { type: "array", maxItems: 32, items: text(64) },
    },
    ["text"],
  ),
  "system-presence": none,
  "tokens.create": object(
    {
      name: text(64),
      scopes: { type: "array", minItems: 1, maxItems: 16, items: text(64) },
      // Left out: 90 days. Null: the token does not expire.
      expiresInMs: { type: ["integer", "null"], minimum: 60_000 },
    },
    ["name", "scopes"],
  ),
  "tokens.list": none,
  "tokens.revoke": object({ id: text(64) }, ["id"]),
};

/** Methods whose params are defined under another name than their own. */
export const DEFINED_AS: Readonly<Record<string, string>> = {
  "agent.identity.get": "AgentIdentityParams",
  "chat.startup": "ChatHistoryParams",
  "sessions.subscribe": "SessionsListParams",
};

/** Methods that take one of several sets of required params, where the published definition knows one. */
export const REQUIRED_SETS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "chat.startup": [["sessionKey"], ["shortId", "agentId"]],
};

/** Params that hold the params of another method, and are checked by the rules of that one. */
export const NESTED_PARAMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "sessions.search": { scope: "sessions.list" },
};

const flag: JsonSchema = { type: "boolean" };
const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: "null" }] });
const mentions: JsonSchema = { type: "array", maxItems: 256, items: { type: "object" } };

const LIST_PROPERTIES: Readonly<Record<string, JsonSchema>> = {
  hasBoard: flag,
  activeOnly: flag,
  excludeSubagents: flag,
  excludeCron: flag,
  excludeSystem: flag,
  includeActivitySummary: flag,
  projectId: text(512),
  workspaceDir: text(4_096),
  group: { type: "string", maxLength: 512 },
  pinned: flag,
  profileRelation: object({ profileId: text(512), relationship: { type: "string", enum: ["owned", "created", "involving"] } }, [
    "profileId",
    "relationship",
  ]),
  sortBy: { type: "string", enum: ["activity", "lastInteractionAt", "updatedAt"] },
};

/** Properties, or values of properties, that released clients send although the published schema does not know them yet. */
export const ADDED_PROPERTIES: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>> = {
  "agents.update": { agentRuntime: text(128) },
  connect: { modelCatalog: object({ sessionKey: key, agentId: text(128) }) },
  "chat.history": { maxBytes: { type: "integer", minimum: 1 } },
  "chat.metadata": { authProfileId: text(256) },
  "chat.send": {
    mentions,
    workContext: object(
      {
        page: text(64),
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
    __controlUiReconnectResume: flag,
  },
  "chat.startup": { maxBytes: { type: "integer", minimum: 1 }, shortId: text(64), slugHint: text(512) },
  "models.list": {
    provider: text(128),
    includeDetails: flag,
    includeDefaultModels: flag,
    sessionKey: key,
    agentId: text(128),
    authProfileId: text(256),
  },
  "sessions.create": {
    titleSource: { type: "string", maxLength: 1_000 },
    agentRuntime: text(128),
    timeoutMs: { type: "integer", minimum: 0 },
    mentions,
    repository: { type: "object" },
    worktreeSource: text(32),
    worktreeBaseRef: { type: "string", maxLength: 1_024 },
    projectId: { type: "string", maxLength: 512 },
    projectGitUrl: { type: "string", maxLength: 2_048 },
    execNode: { type: "string", maxLength: 512 },
    cwd: { type: "string", maxLength: 4_096 },
  },
  "sessions.describe": { agentId: text(128) },
  "sessions.list": LIST_PROPERTIES,
  "sessions.patch": {
    expectedSandboxMode: nullable({ type: "string", const: "off" }),
    expectedNativeRuntimeConsent: nullable(text(512)),
    autoLabel: nullable(text(512)),
    boardPresentation: nullable({ type: "string", enum: ["split", "expanded"] }),
    sandboxMode: nullable({ type: "string", const: "off" }),
    nativeRuntimeConsent: nullable(text(512)),
    agentRuntime: nullable(text(128)),
  },
  "sessions.reset": { expectedSessionId: text(128) },
  "sessions.resolve": { reference: object({ key: text(512), slug: text(512) }, ["key"]) },
  "sessions.send": { mentions },
  "sessions.subscribe": { ...LIST_PROPERTIES, includeApprovals: flag },
  "web.login.start": { channel: text(64) },
  "web.login.wait": { channel: text(64), sessionKey: key },
};

/** Scopes of served methods that the published table does not list. */
export const OWN_SCOPES: Readonly<Record<string, string>> = {
  "channels.catalog": "operator.read",
  "channels.verify": "operator.admin",
  "chat.media": "operator.read",
  "deadletters.drop": "operator.admin",
  "deadletters.list": "operator.read",
  "deadletters.retry": "operator.admin",
  "deadletters.show": "operator.read",
  "models.set": "operator.admin",
  "route.explain": "operator.read",
  "tokens.create": "operator.admin",
  "tokens.list": "operator.admin",
  "tokens.revoke": "operator.admin",
};
