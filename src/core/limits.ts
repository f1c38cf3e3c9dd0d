/** Every limit has a name here with its unit at the end, and a comment that says what happens at the limit. */
export const LIMITS = {
  /** Before `connect`: a larger frame closes the socket with 1009. */
  preAuthFrameBytes: 65_536,
  /** After `connect`: a larger frame closes the socket with 1009. Advertised in hello-ok. */
  frameBytes: 26_214_400,
  /** Default for a method; a larger request is refused INVALID_REQUEST before it is parsed. */
  requestBytes: 262_144,
  /** `chat.send`, `agent`, `sessions.send` and `send` carry attachments. */
  attachmentRequestBytes: 26_214_400,
  /** Nesting of a request; a deeper one is refused before it is parsed. */
  jsonDepth: 64,
  /** Object keys and array items of a request; more are refused before it is parsed. */
  jsonNodes: 10_000,
  /** Characters of a request id and of a method name; longer ones are refused. */
  idChars: 256,
  methodChars: 128,
  /** Bytes waiting for one slow client: droppable events are dropped at half, the socket is closed (1008) at the limit. */
  clientBufferBytes: 52_428_800,
  /** Handshake deadline; then the socket is closed. */
  handshakeMs: 15_000,
  /** Requests of one connection that run at the same time; the rest wait in its queue. */
  connectionConcurrency: 16,
  /** Requests of one connection that wait for a run or for a person, besides; one more holds a place among those that run. */
  connectionWaiting: 512,
  /** Requests of one connection that wait; more are answered UNAVAILABLE with retryAfterMs. */
  connectionQueue: 4_096,
  /** How long a question about a command may wait for its answer; then it counts as no. */
  approvalMs: 1_800_000,
  /** Questions that wait at the same time; one more is refused at once. */
  approvalsPending: 256,
  /** Runs whose answers are remembered, so that commands of one kind are asked about once in a turn. */
  approvalRunsKept: 256,
  /** Scripts that an approval binds to their present content, and the size of each; a larger one is not bound. */
  boundFiles: 32,
  boundFileBytes: 4_194_304,
  /** How long a command may run without another question after one answer, at most; also while its conversation lasts. */
  grantMs: 86_400_000,
  /** Such grants that hold at the same time; one more is refused. */
  grantsHeld: 256,
  /** Programs that are always allowed, for each agent; the oldest goes first. */
  allowedPrograms: 500,
  /** Characters of one message to the agent; a longer one is refused INVALID_REQUEST. */
  messageChars: 400_000,
  /** Messages waiting in one session's lane; more are refused UNAVAILABLE (RPC) or become dead letters (channel). */
  laneDepth: 256,
  /** Messages collected into one turn while more keep arriving; at this number the turn starts. */
  laneBatchMessages: 64,
  /** Turns that run at the same time in the whole gateway; the rest wait in their lanes. */
  concurrentTurns: 16,
  /** Messages of earlier turns passed to a runtime that rebuilds its context: enough for any context window. */
  contextMessages: 2_000,
  /** Bytes of these messages; older ones are left out. */
  contextBytes: 2_097_152,
  /** Turns beyond `concurrentTurns`, reserved for providers and kinds of conversation without a running turn. */
  reserveSlots: 2,
  /** Waiting lanes that are examined to choose the next turn. */
  slotLanes: 64,
  /** Attempts to run a message before it becomes a dead letter with its payload. */
  turnAttempts: 5,
  /** Attempts to send one part of a reply when the failure is certain and transient. */
  sendAttempts: 8,
  /** At shutdown: how long a send that has begun may take to be confirmed; then its outcome is unknown. */
  sendSettleMs: 1_000,
  /** Age at which an unsent part becomes a dead letter instead of being sent late. */
  outboundMaxAgeMs: 24 * 3_600_000,
  /** Terminal inbox rows keep their id, for deduplication, this long; so do answered questions about commands. */
  dedupeRetentionMs: 30 * 86_400_000,
  /** Events of the audit are kept this long; characters of the arguments of a call in one. */
  auditRetentionMs: 90 * 86_400_000,
  auditSubjectChars: 500,
  /** Steps of one run whose times are kept; more are only counted. Characters of the reason why a request was repeated. */
  stageSteps: 200,
  stageReasonChars: 300,
  /** A report of `openclaw doctor`: how long it serves those who ask, how long the checks may take, and bytes of what they print. */
  doctorCacheMs: 60_000,
  doctorMs: 60_000,
  doctorBytes: 1_048_576,
  /**
   * The overview: how long one answer serves all who ask; the slots that a day is counted in, and how long the end of a run may be stored after
   * its slot; runs that are read for one answer (older ones are not counted then), and from which number on others run in between; edges,
   * messages, and characters of each.
   */
  overviewCacheMs: 4_000,
  overviewSlotMs: 300_000,
  overviewSettleMs: 60_000,
  overviewRows: 200_000,
  overviewRowsAtOnce: 500,
  overviewEdges: 40,
  overviewRecent: 12,
  overviewTextChars: 120,
  /** Characters of the message in its timeline. */
  timelineTextChars: 300,
  /** Rows that one cleanup step removes from each table of finished work; the pause between steps, and between rounds when none are left. */
  pruneRows: 500,
  pruneStepMs: 1_000,
  pruneEveryMs: 3_600_000,
  /**
   * Removal of old conversations: the first round after the start, rows and time of one step (the next one has fewer rows when one takes longer), the
   * pause after each, and the age that nothing reaches.
   */
  retentionFirstMs: 120_000,
  retentionRows: 200,
  retentionStepMs: 8,
  retentionPauseMs: 20,
  endlessMs: 100 * 365 * 86_400_000,
  /** Minimum interval between reads of `/metrics` values that need queries or kernel time. */
  metricsReadMs: 1_000,
  /** Characters of one log value; a longer one is truncated and marked. */
  logValueChars: 2_048,
  /** Bytes of one log line. */
  logLineBytes: 8_192,
  /** Size at which a log file is rotated, and the number of old files that are kept. */
  logFileBytes: 16_777_216,
  logFiles: 4,
  /** Lines and bytes of one message that are written in one window; further ones are counted, and the count is written after it. */
  logKindLines: 300,
  logKindBytes: 262_144,
  logKindWindowMs: 10_000,
  /** Messages that are told apart for this; others share one budget. */
  logKinds: 4_000,
  /** Characters of one stored tool result; a longer one is truncated and marked. */
  toolResultChars: 64_000,
  /** Characters of one answer, over all messages of its turn; then the turn is stopped and the text so far is kept. */
  answerChars: 1_000_000,
  /** Characters of one earlier message in a context that is rebuilt; the rest is left out, and the text says so. */
  contextMessageChars: 200_000,
  /** Characters of a summary that shortens a conversation; then the request is stopped. Models are asked for a fifth of it at most. */
  summaryChars: 262_144,
  /** Characters of the thinking of one turn; then the turn is stopped. */
  thinkingChars: 1_000_000,
  /** Tool calls of one turn; then the turn is stopped. */
  turnToolCalls: 500,
  /** The same tool call with the same arguments in one turn: refused from the first number on, the turn stopped at the second. */
  toolRepeatsRefused: 10,
  toolRepeatsStopped: 20,
  /** Characters of a tool call that budgets compare with earlier ones. */
  budgetTextChars: 1_000,
  /** So many times as often for a call that waits for a command. */
  toolWaitFactor: 10,
  /** Silence of a model before and after its first output, where its provider has no `timeoutSeconds`; then the call has failed. */
  modelFirstTokenMs: 180_000,
  modelIdleMs: 120_000,
  /** Interval at which clients that watch a turn are notified of a wait. */
  waitEventMs: 20_000,
  /** Longest wait that a provider may request within a turn; for a longer one the turn ends and reports the requested time. */
  retryAfterMs: 60_000,
  /** Sum of all waits of one turn that a provider requested; beyond it the next one counts as too long. */
  retryAfterTotalMs: 120_000,
  /** A sender in a chat who waits this long, or will have to, is notified once. */
  waitNoticeAfterMs: 60_000,
  /** Characters of the arguments of one tool call; larger ones are dropped and the call is not made. */
  toolArgumentsChars: 1_000_000,
  /** Tokens and US dollars that one answer of a model may report; a larger or invalid number is dropped and logged. */
  usageTokens: 1_000_000_000,
  usageCostUsd: 1_000_000,
  /** Characters of a provider's error text that are kept for logs and operators; the rest is dropped. */
  errorDetailChars: 1_000,
  /** Upper limit of a provider's Retry-After; a longer one counts as this long. */
  retryAfterMaxMs: 7 * 86_400_000,
  /**
   * The agent host starts this long after the gateway, or with the first turn: starting a process stops the loop for up to 30 ms. With
   * OPENCLAW_AGENT_WARM_UP=0 it starts with the first turn only.
   */
  agentWarmUpMs: 250,
  /** Deltas are combined for this long before they are sent. */
  deltaCoalesceMs: 40,
  /** Changes of health within this time are reported together. */
  healthAnnounceMs: 1_000,
  /** A device that announced itself with system-event is listed this long after its last event. */
  beaconMs: 300_000,
  /** Characters of whole texts that the stream of one run repeats besides its new pieces; then only when the sum reaches twice the text. */
  streamWholeChars: 2_097_152,
  /** Minimum interval between two updates of a running tool's output; those in between are left out. */
  toolUpdateMs: 250,
  /**
   * Bytes that the updates of one call may take at once, and what is added to them each second. Then clients get only what is new of its
   * output, then only its end, then nothing until there is room again.
   */
  toolEventBytes: 12_288,
  toolEventBytesPerSecond: 256,
  /** Characters of the beginning and of the end of a result that the event of its call carries; the message in the transcript has all of it. */
  toolEventHeadChars: 2_000,
  toolEventTailChars: 6_000,
  /** Base64 characters of an image that is stored in its row; larger ones become files. */
  inlineImageChars: 8_192,
  /** Attachment sizes, advertised in hello-ok. */
  attachmentBytes: 19_464_192,
  imageBytes: 6_291_456,
  /** Characters of waiting messages in one answer; the one that crosses the limit is still in it, older ones are on the next page. */
  pendingInputChars: 131_072,
  /** Bytes of one page of a history: reading and encoding more would hold the loop for over 50 ms. Older messages are on the next page. */
  historyPageBytes: 524_288,
  /** Characters of transcript pages in the cache of encoded pages; the least recently used are dropped first. */
  historyCacheBytes: 2_097_152,
  /** Bytes of encoded answers that are kept for the next request; the least recently used are dropped first. */
  answerCacheBytes: 8_388_608,
  /** Characters of encoded session rows that are kept for the next list; the least recently used are dropped first. */
  sessionRowCacheChars: 4_194_304,
  /** A request with longer params is answered without the cache. */
  cachedParamsChars: 1_024,
  /** Clients that `presence` lists, newest first; further ones are not listed. */
  presenceRows: 100,
  /** Presence changes are combined for this long with few clients, and up to the maximum with many. */
  presenceMs: 100,
  presenceMaxMs: 10_000,
  /** `tick` event and WebSocket ping. */
  tickMs: 30_000,
  pingMs: 25_000,
  /** Characters of one record from a Pi process; a longer one is skipped and logged. */
  piRecordChars: 33_554_432,
  /** Characters of a Pi process's stderr that are kept for error reports; the oldest are dropped first. */
  piStderrChars: 8_192,
  /** Heap of one Pi process in MiB; beyond it the process dies and its turn ends as crashed. */
  piHeapMib: 256,
  /** Heap of a shared host in MiB; beyond it the host dies and its turns are run again or end as crashed. */
  piHostHeapMib: 384,
  /** Resident memory at which an agent process is replaced once no turn runs in it; a shared host closes its idle sessions first. */
  piRecycleBytes: 419_430_400,
  /** Interval at which a shared host with running turns is asked whether it is alive; see piPingAnswerMs. */
  piHostPingMs: 5_000,
  /** Time for an idle host to end on request, then it is killed; and for which a turn waits for its session to close. */
  piSessionEndMs: 2_000,
  /** A shared host that has not closed a session by then is killed, with all its turns. */
  piSessionCloseMs: 15_000,
  /** Stock Pi processes at the same time, one for each turn; more turns wait for one. */
  piProcesses: 10,
  /** Pi processes that start at the same time; a waiting turn may get one that becomes free first. */
  piConcurrentStarts: 2,
  /** Wait of a turn for a Pi process; then it ends as failed. */
  piWaitMs: 600_000,
  /** Minimum interval between checks that the agents' configuration files still exist; a missing one is written again. */
  piFilesCheckMs: 5_000,
  /** Attempts of a turn whose Pi process ended before any output or tool call. */
  piTurnAttempts: 3,
  /** A Pi process that has not reported that it is ready by then is killed and counted as a crash. */
  piStartMs: 30_000,
  /** Deadline of a Pi command that is answered at once; beyond it the process counts as stuck. */
  piCommandMs: 10_000,
  /** Deadline of `switch_session`, which reads a whole session file. */
  piSwitchMs: 30_000,
  /** Deadline of a requested compaction, which asks the model. */
  piCompactMs: 300_000,
  /** Interval at which a busy Pi process is asked for its state; without an answer in time it counts as stuck. */
  piPingMs: 15_000,
  piPingAnswerMs: 5_000,
  /** A Pi process that has used so much CPU time without an answer counts as stuck at once; one that got less is asked again ... */
  piStuckCpuMs: 2_500,
  /** ... so many times in all. */
  piPingWaits: 6,
  /** A Pi process that was idle for this long is ended, down to the number of warm ones. */
  piIdleMs: 300_000,
  /** After this many crashes within the window, a process is started only `piPauseMs` after the last one. */
  piCrashes: 5,
  piPauseMs: 5_000,
  /** Pauses that a turn waits for; after the next crash it ends as crashed. */
  piPauses: 2,
  piCrashWindowMs: 60_000,
  /** After this many crashes of one session within the window its turns end at once; other sessions continue. */
  piSessionCrashes: 3,
  /** After this many crashes of a shared host while a session had a turn, that session runs in a process of its own. */
  piSharedCrashes: 2,
  /** Delay before a Pi process is started after a crash; doubles with each crash up to the maximum. */
  piBackoffMinMs: 250,
  piBackoffMaxMs: 30_000,
  /** Session files whose size is remembered; others are read at their next turn. */
  checkpointsCached: 1_024,
  /** Workspace files whose text is cached between turns; beyond it the oldest is read again. */
  workspaceFilesCached: 256,
  /** Characters of one workspace file in the system prompt, and of all of them; the rest is truncated and marked. */
  workspaceFileChars: 20_000,
  workspaceChars: 60_000,
  /** Agents whose derived settings are cached; beyond it they are derived again. */
  agentSettingsCached: 1_024,
  /** Time that a local model server has to accept a connection, and then to identify itself. */
  localProbeMs: 300,
  localAnswerMs: 2_000,
  /** Bytes of the answer of a local model server; a longer one does not identify it. */
  localProbeBytes: 1_048_576,
  /** Pause between two searches for local model servers while a configured model is missing. */
  localProbeEveryMs: 15_000,
  /** Bytes of the configuration file; a larger one is not read and the last good copy is used. */
  configFileBytes: 524_288,
  /** Values in the configuration file; a file with more counts as unreadable. */
  configNodes: 10_000,
  /** Problems of one configuration file that are listed; the rest are counted. */
  configIssues: 200,
  /** Bytes of a file that holds one secret; a larger one is refused. */
  secretFileBytes: 65_536,
  /** Unknown keys for which a similar name is suggested; the search takes time, and longer lists are not read. */
  configSuggestions: 20,
  /** Secrets of a configuration that are searched for in its comments; with more, comments are hidden as a whole. */
  configCommentSecrets: 200,
  /** Characters of a configured name, id or path with a required form; a longer one is left out, with an error. */
  configNameChars: 2_048,
  /** Characters of a regular expression in the configuration; a longer one is left out, with an error. */
  patternChars: 512,
  /** Changes of the configuration file within this time are applied together. */
  configDebounceMs: 200,
  /** Polling interval of the configuration file where the system does not report changes. */
  configPollMs: 30_000,
  /** Log lines are collected for this long before they are written; an error is written at once. */
  logFlushMs: 100,
  /** Bytes of log lines that wait for the disk; more are dropped, counted, and the count is logged. */
  logQueueBytes: 4_194_304,
  /** Log lines kept in memory for `logs.tail`; the oldest is dropped. */
  logRecentLines: 500,
  /** Nesting and entries of one log value; deeper and further ones are left out and marked. */
  logValueDepth: 4,
  logValueEntries: 32,
  /** Secrets known by value to the log; the oldest is forgotten first. */
  knownSecrets: 256,
  /** Time series of one metric; further label values are counted together as `other`. */
  seriesPerMetric: 256,
  /** Label sets of all metrics with the names of OpenClaw together; further ones are dropped and counted. */
  originalSeries: 2_048,
  /** `health` and `status` reuse an answer for this long. */
  healthCacheMs: 1_000,
  /** Minimum interval between checks of what a turn needs before its model is asked; they run when health is requested. */
  preparationCheckMs: 5_000,
  /** Pause between attempts to write owner.json on a full disk. */
  ownerFileRetryMs: 5_000,
  /** Free space of the state directory's disk below which the gateway counts as degraded. */
  diskLowBytes: 104_857_600,
  /** Pause between attempts at recovery while the store rejects writes. */
  recoveryRetryMs: 1_000,
  /** A store up to this size is checked completely before the start; a larger one in steps after it. */
  storeFullCheckBytes: 33_554_432,
  /** Records per step of that check, and the pause after it. */
  storeCheckRows: 32,
  storeCheckPauseMs: 20,
  /** `config.get` reuses its answer for this long while the file does not change. */
  configAnswerMs: 10_000,
  /** Bytes of a file of the system prompt that a client reads or writes. */
  agentFileBytes: 262_144,
  /** Time in which a provider has to answer when its key is tested, and bytes of the answer that are read. */
  modelProbeMs: 10_000,
  modelProbeBytes: 4_096,
  /** Versions of the configuration file that are kept, and bytes of all of them; the oldest are removed. */
  configVersions: 100,
  configVersionBytes: 8_388_608,
  /** Pause between attempts to write while the store rejects writes. */
  storeProbeMs: 1_000,
  /** After a write, the ledger of the store is updated once within this time; losses in between are counted less exactly. */
  storeLedgerMs: 5_000,
  /** The highest numbers of records are noted outside the store at most this often; a lost log of changes is noticed by them. */
  storeNumbersMs: 100,
  /** Unreadable records that are logged by name in one run of the gateway; more are not logged. */
  storeRecordsReported: 1_000,
  /** Lines and bytes that `logs.tail` returns when the client names no limit. */
  logTailLines: 500,
  logTailBytes: 250_000,
  /** System events waiting for the main session; the oldest is dropped. */
  systemEvents: 50,
  /** Characters of one system event; a longer one is refused. */
  systemEventChars: 8_192,
  /** Pairs of bots whose messages are counted; the least recently active is dropped. */
  botPairs: 1_000,
  /** Characters of one message of a room that is kept as context; a longer one is truncated. */
  pendingLineChars: 2_000,
  /** Notes for one session's next turn (edits, reactions); the oldest is dropped. Characters of one; the rest is truncated. */
  sessionNotes: 20,
  sessionNoteChars: 2_000,
  /** Models that `/model` offers as buttons; the others are listed in its text. */
  modelButtons: 8,
  /** Lifetime of a button; a later click is answered with a notice, once. */
  buttonMs: 86_400_000,
  /** Characters of an event that could not be decoded; a longer one is truncated and cannot be retried. */
  unreadableChars: 1_048_576,
  /** Lifetime of a pairing code; then the request is dropped and the sender may ask again. */
  pairingTtlMs: 3_600_000,
  /** Pairing requests that wait at one account; further senders get no code until one is approved or expires. */
  pairingPendingPerAccount: 3,
  /** Agents that the configuration may list through agents.create; more are refused. */
  agents: 256,
  /** Paired senders listed or pending requests listed in one answer. */
  pairingListRows: 1_000,
  /** Our own client: from the first packet to hello-ok; then `timeout`. */
  clientConnectMs: 10_000,
  /** Our own client: default deadline of a request; then `timeout`. */
  clientRequestMs: 30_000,
  /** Our own client: time for the close handshake; then the socket is destroyed. */
  clientCloseMs: 500,
  /** Our own client: requests that wait on one connection; more fail at once. */
  clientPendingRequests: 4_096,
  /** Our own client: delay before it reconnects, doubled at each failure up to the maximum. */
  clientReconnectMinMs: 250,
  clientReconnectMaxMs: 15_000,
  /** `openclaw mcp serve`: events that wait to be read, and characters of all; the oldest are dropped, and the next answer says so. */
  mcpServeEvents: 1_000,
  mcpServeEventChars: 16_777_216,
  /** One message of the client; a longer one ends the command. */
  mcpServeMessageBytes: 10_485_760,
  /** How long a call waits for the connection to the gateway; then it is an error. */
  mcpServeConnectMs: 5_000,
  /** `openclaw acp`: one message of the editor; a longer one ends the command. */
  acpServeMessageBytes: 33_554_432,
  /** Messages of a conversation that it shows an editor which opens it again; older ones are left out. */
  acpServeHistory: 1_000,
  /** Bytes of one object key of a request; a longer one is refused before it is parsed. */
  jsonKeyBytes: 1_024,
  /** Bytes of a request without its attachments, which are parsed at once; more are refused. */
  parsedBytes: 2_097_152,
  /** Bytes at the start of a request in which its id and method are searched before the rest is received. */
  frameHeadBytes: 4_096,
  /** WebSocket fragments of one message; more close the socket with 1008. */
  messageFragments: 4_096,
  /** Bytes of one connection's requests that wait; more are answered UNAVAILABLE with retryAfterMs. */
  connectionQueueBytes: 67_108_864,
  /** Time for which requests are handled before the event loop continues. */
  dispatchSliceMs: 8,
  /** Pre-auth connections of one peer and in total: the oldest one is evicted for a new one. */
  preAuthConnectionsPerPeer: 64,
  preAuthConnections: 512,
  /** WebSocket frames before `connect` is answered; more close the socket with 1008. */
  preAuthFrames: 16,
  /** Time limit of answering a request without a valid credential; then it is dropped. */
  preAuthAnswerMs: 60_000,
  /** How long a socket may stay open after the last byte to it, and how many pre-auth sockets may; the oldest is destroyed for another. */
  socketCloseMs: 1_000,
  closingSockets: 128,
  /** An HTTP answer of which the peer has read nothing for this long: the connection is destroyed. */
  unreadAnswerMs: 120_000,
  /** Maximum interval between checks of a credential that expires while a connection uses it. */
  credentialCheckMs: 3_600_000,
  /** Bytes of answers and events waiting for all clients together; the client with the most is disconnected. */
  unreadBytes: 268_435_456,
  /** Bytes of answers that wait for one client: with more, its further requests are not read until it reads. */
  pausedReadingBytes: 1_048_576,
  /** Bytes of requests held for all signed-in clients and for one credential; more are answered UNAVAILABLE with retryAfterMs. */
  heldRequestBytes: 268_435_456,
  heldRequestBytesPerCredential: 134_217_728,
  /** Bytes of request bodies without a valid credential, in total and of one peer; more are answered 503. */
  preAuthBodyBytes: 16_777_216,
  preAuthBodyBytesPerPeer: 4_194_304,
  /** Connected clients; more are refused UNAVAILABLE. */
  clients: 10_000,
  /** Requests with forwarded headers of an unknown proxy are logged once in this time. */
  attributionLogMs: 60_000,
  /** Time and size of a request head, and its number of headers; then 408 or 431. */
  httpHeadMs: 10_000,
  httpHeadBytes: 16_384,
  httpHeaders: 100,
  /** Time for a request body; then 408. Each route has its own size limit. */
  httpBodyMs: 30_000,
  /** Body of a completion request (it may carry images); larger ones are answered 413. */
  httpBodyBytes: 26_214_400,
  /** Body of `POST /tools/invoke`. */
  toolRequestBytes: 2_097_152,
  /** Completion requests that run at the same time; more are answered 429. */
  httpCompletions: 64,
  /** Failed sign-ins of one peer and one kind of credential within the window; then guessable credentials are refused unchecked. */
  signInFailures: 10,
  signInWindowMs: 60_000,
  signInLockMs: 300_000,
  /** Failed sign-ins of one kind from all peers within the window; then guessable credentials are refused for the rest of it. */
  signInFailuresTotal: 500,
  /** Peers whose failures are counted; the oldest is dropped. */
  signInPeers: 4_096,
  /** Lifetime of a one-time sign-in link. */
  signInLinkMs: 600_000,
  /** Lifetime of a named token without an explicit one. */
  serviceTokenMs: 90 * 86_400_000,
  /** Longest lifetime of a named token that expires; a longer one is refused. */
  tokenLifeMs: 100 * 365 * 86_400_000,
  /** Devices that wait for approval, the oldest is dropped; and how long they wait. */
  pendingDevices: 64,
  pendingDeviceMs: 86_400_000,
  /** Paired devices; further ones are refused until one is removed. */
  pairedDevices: 1_000,
  /** Allowed difference between the signing time of a device and the gateway's clock. */
  signatureSkewMs: 120_000,
  /** Topics that one connection watches; the oldest is dropped for a new one. */
  clientTopics: 1_024,
  /** Time that `stop` waits for clients to read their last frames. */
  stopMs: 500,
  /** Under a service manager: so many starts within the window that ended without a stop keep channels and jobs down. */
  crashLoopBoots: 3,
  crashLoopWindowMs: 300_000,
  /** How long starts are remembered. */
  crashLoopKeepMs: 86_400_000,
  /** `openclaw gateway stop` and `restart`: how long the command waits before it reports a failure. */
  cliStopMs: 10_000,
  cliRestartMs: 20_000,
  /** `openclaw gateway install` and `start`: how long they wait until the gateway of the service is ready; then they fail. */
  serviceReadyMs: 60_000,
  /** `openclaw agent`: default time for the whole turn. */
  cliTurnMs: 600_000,
  /** Characters of one platform id in a session key; a longer one is truncated and made unique by a hash. */
  sessionIdChars: 256,
  /** Characters of a session key that a client sends; a longer one is refused. */
  sessionKeyChars: 1_024,
  /** Sessions of one preview; more are refused. */
  previewKeys: 200,
  /** Bytes of stored messages that are read for one answer with previews: a session has fewer items when they are used up, but always its newest. */
  previewBytes: 524_288,
  /** The pause between two steps that index messages of an earlier release. */
  indexStepMs: 50,
  /** Messages that a search examines, the newest matches first; the answer reports when there were more. */
  searchMatches: 500,
  /** Bytes of messages that a search reads for its answer, the best matches first; the answer reports when there were more. */
  searchBytes: 524_288,
  /** Words of a search; further ones are ignored, and the answer reports it. */
  searchWords: 16,
  /** Characters of the text around a match. */
  searchSnippetChars: 160,
  /** Messages of a conversation that is copied, or that a branch leaves behind; a longer one is refused. */
  forkMessages: 5_000,
  /** Messages after the beginning of a branch among which answers to earlier messages are looked for. */
  branchLateMessages: 200,
  /** Branches of one conversation; another one is refused. */
  sessionBranches: 64,
  /** How long a status note is shown unless the request says otherwise, in minutes. */
  statusNoteMinutes: 30,
  /** Characters of a quoted message that are given to the agent; the rest is left out. */
  quoteChars: 2_000,
  /** Mention patterns of one agent; more are reported and not used. */
  mentionPatterns: 32,
  /** Characters of one mention pattern, and its states after repetitions are expanded; a larger one is reported and not used. */
  mentionPatternChars: 200,
  mentionPatternStates: 512,
  /** Characters of a message in which mentions are searched; the rest is ignored. */
  mentionTextChars: 4_000,
  /** A channel connection that has not ended this long after its abort is abandoned and can no longer write. */
  channelStopMs: 1_800,
  /** Delay between attempts to connect: the first, doubled up to the maximum. Attempts never stop. */
  channelBackoffFirstMs: 500,
  channelBackoffLastMs: 300_000,
  /** Body of a webhook request from a chat platform; a larger one is refused. */
  hookBodyBytes: 1_048_576,
  /** Request to a hook of `hooks.path`; a larger one is answered 413. */
  hookRequestBytes: 262_144,
  /** Time to connect to a platform's HTTP API; after it nothing was sent. */
  channelConnectMs: 10_000,
  /** One request to a platform's HTTP API; after it the outcome is unknown. */
  channelApiMs: 30_000,
  /** One answer of a platform's HTTP API; a longer one is a failure. */
  channelAnswerBytes: 16 * 1024 * 1024,
  /** One received file; larger ones are listed for the agent and not fetched. */
  mediaBytes: 20 * 1024 * 1024,
  /** Stored files without a reference are searched for this long after startup, and then at this interval. */
  mediaSweepFirstMs: 600_000,
  mediaSweepEveryMs: 21_600_000,
  /** A younger file may belong to a row that is still being written; it is kept. */
  mediaGraceMs: 3_600_000,
  /** Rows that one step of that search reads, and the pause after it. */
  mediaSweepRows: 64,
  mediaSweepPauseMs: 10,
  /** Names of missing files in one report; all are counted. */
  mediaMissingNames: 20,
  /** Files of one answer; further `MEDIA:` lines remain text. */
  answerFiles: 10,
  /** Characters of the name of a sent file; the rest is dropped. */
  fileNameChars: 120,
  /** Longest pause of a conversation that a platform has slowed down, whatever the platform requested. */
  rateLimitPauseMaxMs: 3_600_000,
  /** Characters of a message that is replied to; the rest is dropped. */
  repliedChars: 4_000,
  /** A conversation whose replies failed inside the gateway is retried after this time. */
  deliveryFailurePauseMs: 60_000,
  /** A preview starts at this many characters, or this long after the first one. */
  previewFirstChars: 24,
  previewFirstMs: 1_000,
  /** Pause between two edits of a preview; doubled each time that the platform reports a rate limit, up to the maximum. */
  previewEditMs: 1_000,
  previewEditMaxMs: 30_000,
  /** The typing indicator is repeated at this interval, and for no longer than the maximum in one turn. */
  typingRefreshMs: 5_000,
  typingMaxMs: 600_000,
  /** Files of one received message; the number of further ones is given to the agent, and they are not fetched. */
  messageFiles: 10,
  /** A received file that has not arrived by then counts as not fetched; a channel may give up earlier when no data arrives. */
  mediaFetchMs: 60_000,
  /** Pause between two checks for a connection that can fetch a file. */
  mediaLinkMs: 250,
  /** Bytes of a received text that the agent reads with the message, and characters of all of them; others are stored as files. */
  inlineFileBytes: 65_536,
  inlineFilesChars: 131_072,
  /** Events read by a channel that wait to be stored; then it stops reading until some are stored. */
  channelPendingEvents: 500,
  /** Bytes that a channel keeps under one key of its vault; a larger value is refused. */
  vaultValueBytes: 1_048_576,
  /** A channel plugin that is not loaded by then counts as broken. */
  channelLoadMs: 10_000,
  /** `channels.verify`: a platform that has not answered by then counts as unreachable. */
  channelVerifyMs: 20_000,
  /** `channels.logout`: how long the platform may take to end its session; the local credentials are removed in any case. */
  channelLogoutMs: 10_000,
  /** Idempotency keys of message actions that are remembered; a repeat of an older one is executed again. */
  messageActionsCached: 500,
  /** The same for `tools.invoke`; of a result with more bytes than these as JSON, a repeat only learns that the call has run. */
  toolCallsCached: 100,
  toolCallResultBytes: 4_096,
  /** An account that stays broken for the same cause is reported to the owner once within this time. */
  ownerAlertIntervalMs: 3_600_000,
  /** A file that a client gives by URL: the time of the whole fetch, and the number of redirects; then it is refused. */
  guardedFetchMs: 30_000,
  guardedFetchRedirects: 3,
  /** An interactive login that is not completed ends after this time. */
  channelLoginMs: 300_000,
  /** Bytes of a channel worker's events that wait for the gateway; with more the platform is not acknowledged and repeats. */
  isolatedSpoolBytes: 67_108_864,
  /** Heap of a channel worker, in MiB; beyond it the thread ends and the account is restarted. */
  isolatedHeapMib: 256,
  /** Young generation of that heap, in MiB; smaller ones are collected more often. */
  isolatedYoungMib: 8,
  /** Interval of pings to a channel worker, and the silence after which it is ended. */
  isolatedPingMs: 5_000,
  isolatedStuckMs: 30_000,
  /** A channel worker that has not ended this long after its abort is terminated. Less than channelStopMs. */
  isolatedStopMs: 1_000,
  /** When the connection of a channel worker has ended: how long pending requests may take to be confirmed; then their outcome is unknown. */
  isolatedLingerMs: 5_000,
  /** Log lines of a channel worker between two pings; more are dropped, counted, and the count is logged. */
  isolatedLogLines: 2_000,
  /** Minimum interval between progress reports of a channel worker. */
  isolatedAliveMs: 1_000,
  /** Pause before events of a channel worker that the store rejected are submitted again. */
  isolatedRetryMs: 1_000,
} as const;
