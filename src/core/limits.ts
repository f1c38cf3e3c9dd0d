/** Every limit has a name here, a unit at the end of it, and a comment that says what happens at the edge. */
export const LIMITS = {
  /** Before `connect`: a larger frame closes the socket with 1009. */
  preAuthFrameBytes: 65_536,
  /** After `connect`: a larger frame closes the socket with 1009. Advertised in hello-ok. */
  frameBytes: 26_214_400,
  /** A method without a larger allowance of its own: refused INVALID_REQUEST before it is parsed. */
  requestBytes: 262_144,
  /** `chat.send`, `agent`, `sessions.send` and `send` carry attachments. */
  attachmentRequestBytes: 26_214_400,
  /** Nesting of a request; refused before it is parsed. */
  jsonDepth: 64,
  /** Object keys and array items of a request; refused before it is parsed. */
  jsonNodes: 25_000,
  /** Characters of a request id and of a method name; refused. */
  idChars: 256,
  methodChars: 128,
  /** Bytes waiting for one slow client: droppable events are dropped at half, the socket closed (1008) at the whole. */
  clientBufferBytes: 52_428_800,
  /** Handshake deadline; then close. */
  handshakeMs: 15_000,
  /** Requests of one connection that run at the same time; the rest wait in its queue. */
  connectionConcurrency: 16,
  /** Requests of one connection that wait; more are answered UNAVAILABLE with retryAfterMs. */
  connectionQueue: 4_096,
  /** Characters of one message to the agent; refused INVALID_REQUEST. */
  messageChars: 400_000,
  /** Messages waiting in one session's lane; more are refused UNAVAILABLE (RPC) or parked (channel). */
  laneDepth: 256,
  /** Messages that are collected into one turn while it does not get quiet; with that many the turn begins. */
  laneBatchMessages: 64,
  /** Turns that run at the same time in the whole gateway; the rest wait in their lanes. */
  concurrentTurns: 8,
  /** Messages of earlier turns that a runtime gets to rebuild its context: enough for any context window. */
  contextMessages: 2_000,
  /** Turns beyond `concurrentTurns` for providers and kinds of conversation of which none runs. */
  reserveSlots: 2,
  /** Waiting lanes that are looked at to see who waits for a slot. */
  slotLanes: 64,
  /** Attempts to run a message before it is parked with its payload kept. */
  turnAttempts: 5,
  /** Attempts to send one part of a reply when the failure is certain and transient. */
  sendAttempts: 8,
  /** At shutdown: how long a send that has begun may take to be confirmed; then its fate is unknown. */
  sendSettleMs: 1_000,
  /** Age at which an unsent part is parked instead of sent late. */
  outboundMaxAgeMs: 24 * 3_600_000,
  /** Terminal inbox rows keep their id, for deduplication, this long. */
  dedupeRetentionMs: 30 * 86_400_000,
  /** Rows that one step removes from each table of ended work; the pause to the next step, and to the next round when none are left. */
  pruneRows: 500,
  pruneStepMs: 1_000,
  pruneEveryMs: 3_600_000,
  /** Figures for `/metrics` that take queries or the kernel's time are read at most this often. */
  metricsReadMs: 1_000,
  /** Characters of one log value; cut, and marked as cut. */
  logValueChars: 2_048,
  /** Bytes of one log line. */
  logLineBytes: 8_192,
  /** Size of a log file before it is rotated, and how many old ones are kept. */
  logFileBytes: 16_777_216,
  logFiles: 4,
  /** Characters of one stored tool result; cut, and marked as cut. */
  toolResultChars: 64_000,
  /** Characters of one answer, over all messages of its turn; then the turn is stopped and what was said so far is kept. */
  answerChars: 1_000_000,
  /** Characters of the thinking of one turn; then the turn is stopped. */
  thinkingChars: 1_000_000,
  /** Tool calls of one turn; then the turn is stopped. */
  turnToolCalls: 500,
  /** The same tool call with the same arguments in one turn: refused from the first number on, the turn stopped at the second. */
  toolRepeatsRefused: 10,
  toolRepeatsStopped: 20,
  /** Silence of a model before its first word and after it, where its provider has no `timeoutSeconds`; then the call has failed. */
  modelFirstTokenMs: 180_000,
  modelIdleMs: 120_000,
  /** Clients that watch a turn are told of a wait this often. */
  waitEventMs: 20_000,
  /** Longest wait that a provider may ask for and get within a turn; for a longer one the turn ends with what was asked for. */
  retryAfterMs: 60_000,
  /** All waits of one turn that a provider asked for; beyond it the next one counts as too long. */
  retryAfterTotalMs: 120_000,
  /** Somebody in a chat who waits this long, or will have to, is told once. */
  waitNoticeAfterMs: 60_000,
  /** Characters of the arguments of one tool call; larger ones are dropped and the call is not made. */
  toolArgumentsChars: 1_000_000,
  /** Tokens and US dollars that one answer of a model may claim; a larger or odd number is dropped and logged. */
  usageTokens: 1_000_000_000,
  usageCostUsd: 1_000_000,
  /** Characters of a provider's error text that are kept for logs and operators; the rest is cut. */
  errorDetailChars: 1_000,
  /** Longest wait that a provider's Retry-After is taken for; a longer one counts as this long. */
  retryAfterMaxMs: 7 * 86_400_000,
  /** Deltas are joined for this long before they are sent on. */
  deltaCoalesceMs: 40,
  /** Changes of health within this time are told together. */
  healthAnnounceMs: 1_000,
  /** A device that announced itself with system-event is listed this long after its last sign. */
  beaconMs: 300_000,
  /** Characters of whole texts that the stream of one run repeats besides its new pieces; then only as often as it adds up to twice the text. */
  streamWholeChars: 2_097_152,
  /** Pause between two pieces of one tool's output that are shown while it runs; those between are left out. */
  toolUpdateMs: 250,
  /** Base64 characters of a picture that is kept inside of its row; larger ones become files. */
  inlineImageChars: 8_192,
  /** Attachment sizes, advertised in hello-ok. */
  attachmentBytes: 19_464_192,
  imageBytes: 6_291_456,
  /** Characters of transcript pages that are kept ready to be sent; the longest unused go first. */
  historyCacheBytes: 2_097_152,
  /** Clients that `presence` lists, newest first; the others are connected without being listed. */
  presenceRows: 100,
  /** Presence changes are told together for this long with few clients, and up to the maximum with many. */
  presenceMs: 100,
  presenceMaxMs: 10_000,
  /** `tick` event and WebSocket ping. */
  tickMs: 30_000,
  pingMs: 25_000,
  /** Characters of one record from a Pi process; a longer one is skipped and logged. */
  piRecordChars: 33_554_432,
  /** Characters of a Pi process's stderr that are kept for error reports; the oldest go first. */
  piStderrChars: 8_192,
  /** Heap of one Pi process in MiB; beyond it the process dies and its turn ends as crashed. */
  piHeapMib: 256,
  /** Pi processes at the same time, one for each turn; more turns wait for one. */
  piProcesses: 10,
  /** Pi processes that start at the same time; who waits may be served by one that becomes free first. */
  piConcurrentStarts: 2,
  /** Wait of a turn for a Pi process; then it ends as failed. */
  piWaitMs: 600_000,
  /** Attempts of a turn whose Pi process ended before anything was said or done. */
  piTurnAttempts: 3,
  /** A Pi process that has not said it is ready by then is killed and counted as a crash. */
  piStartMs: 30_000,
  /** Deadline of a Pi command that answers at once; beyond it the process is taken for stuck. */
  piCommandMs: 10_000,
  /** Deadline of `switch_session`, which reads a whole session file. */
  piSwitchMs: 30_000,
  /** Deadline of a requested compaction, which asks the model. */
  piCompactMs: 300_000,
  /** A busy Pi process is asked for its state this often, and is taken for stuck when it does not answer in time. */
  piPingMs: 15_000,
  piPingAnswerMs: 5_000,
  /** A Pi process that had nothing to do for this long is ended, down to the warm ones. */
  piIdleMs: 300_000,
  /** This many crashes within the window stop new processes for a while: turns end as crashed at once. */
  piCrashes: 5,
  piCrashWindowMs: 60_000,
  /** This many crashes of one session within the window end its turns at once; others go on. */
  piSessionCrashes: 3,
  /** Delay before a Pi process is started after a crash; doubles from the first to the second with each one. */
  piBackoffMinMs: 250,
  piBackoffMaxMs: 30_000,
  /** Session files whose end is remembered; others are read at their next turn. */
  checkpointsCached: 1_024,
  /** Workspace files whose text is kept in memory between turns; beyond it the oldest is read again. */
  workspaceFilesCached: 256,
  /** Characters of one workspace file in the system prompt, and of all of them; the rest is cut, and marked as cut. */
  workspaceFileChars: 20_000,
  workspaceChars: 60_000,
  /** Agents whose settings are kept worked out; beyond it they are worked out again. */
  agentSettingsCached: 1_024,
  /** Time that a local model server has to identify itself. */
  localProbeMs: 300,
  /** Bytes of the answer of a local model server; a longer one does not identify it. */
  localProbeBytes: 1_048_576,
  /** Pause between two looks for local model servers, while a model that should answer is missing. */
  localProbeEveryMs: 15_000,
  /** Bytes of the configuration file; a larger one is not read and the last good copy is used. */
  configFileBytes: 524_288,
  /** Values in the configuration file; a file with more counts as unreadable. */
  configNodes: 10_000,
  /** Problems of one configuration file that are listed; the rest is counted. */
  configIssues: 200,
  /** Bytes of a file that holds one secret; a larger one is refused. */
  secretFileBytes: 65_536,
  /** Unknown keys for which a near name is looked up; it costs time, and nobody reads more. */
  configSuggestions: 20,
  /** Secrets of a configuration that are looked for in its comments; with more, comments are hidden as a whole. */
  configCommentSecrets: 200,
  /** Characters of a configured name, id or path that has to look like something; a longer one is left out, with an error. */
  configNameChars: 2_048,
  /** Characters of a regular expression in the configuration; a longer one is left out, with an error. */
  patternChars: 512,
  /** Changes of the configuration file within this time are taken as one. */
  configDebounceMs: 200,
  /** Where the system does not report changes of the configuration, the file is looked at this often. */
  configPollMs: 30_000,
  /** Log lines are gathered for this long before they are written; an error is written at once. */
  logFlushMs: 100,
  /** Bytes of log lines that wait for the disk; more are dropped, counted, and the count is logged. */
  logQueueBytes: 4_194_304,
  /** Log lines kept in memory for whoever asks; the oldest goes. */
  logRecentLines: 500,
  /** Nesting and entries of one log value; deeper and further ones are left out, and marked. */
  logValueDepth: 4,
  logValueEntries: 32,
  /** Secrets known by value to the log; the oldest is forgotten first. */
  knownSecrets: 256,
  /** Time series of one metric; further label values are counted together as `other`. */
  seriesPerMetric: 256,
  /** Answers of `health` and `status` are reused this long. */
  healthCacheMs: 1_000,
  /** What a turn needs before its model is asked is tried at most this often, when somebody looks at the health. */
  preparationCheckMs: 5_000,
  /** Pause between tries to write owner.json on a full disk. */
  ownerFileRetryMs: 5_000,
  /** Free space of the state directory's disk below which the gateway counts as degraded. */
  diskLowBytes: 104_857_600,
  /** Pause between tries to take up what an earlier process left, while the store refuses writes. */
  recoveryRetryMs: 1_000,
  /** A store up to this size is checked completely before the start; a larger one in steps after it. */
  storeFullCheckBytes: 33_554_432,
  /** Records of one step of that check, and the pause after it. */
  storeCheckRows: 32,
  storeCheckPauseMs: 20,
  /** The answer of `config.get` is reused this long while the file does not change. */
  configAnswerMs: 10_000,
  /** Pause between tries to write while the store refuses writes. */
  storeProbeMs: 1_000,
  /** After a write, the ledger of the store is brought up to date once within this time; damage in between is counted less exactly. */
  storeLedgerMs: 5_000,
  /** Unreadable records that are named in the log in one run of the gateway; more are left out without a line. */
  storeRecordsReported: 1_000,
  /** Lines and bytes that `logs.tail` returns when the client names no limit. */
  logTailLines: 500,
  logTailBytes: 250_000,
  /** System events waiting for the main session; the oldest is dropped. */
  systemEvents: 50,
  /** Characters of one system event; refused. */
  systemEventChars: 8_192,
  /** Pairs of bots whose messages are counted; the one that was quiet longest is forgotten. */
  botPairs: 1_000,
  /** Characters of one line of a room that is kept as context; cut. */
  pendingLineChars: 2_000,
  /** Notes that wait for one session's next turn (edits, reactions); the oldest is dropped. Characters of one; cut. */
  sessionNotes: 20,
  sessionNoteChars: 2_000,
  /** Models that `/model` offers as buttons; the others are named in its text. */
  modelButtons: 8,
  /** Life of a button; a later press is answered with a notice, once. */
  buttonMs: 86_400_000,
  /** Characters of an event that could not be read; a longer one is cut and can only be looked at. */
  unreadableChars: 1_048_576,
  /** Life of a pairing code; then the request is forgotten and the sender may ask again. */
  pairingTtlMs: 3_600_000,
  /** Pairing requests that wait at one account; further senders get no code until one is answered or expires. */
  pairingPendingPerAccount: 3,
  /** Agents that the configuration may list through agents.create; more are refused. */
  agents: 256,
  /** Paired senders listed or pending requests listed in one answer. */
  pairingListRows: 1_000,
  /** Our own client: from the first packet to hello-ok; then `timeout`. */
  clientConnectMs: 10_000,
  /** Our own client: default deadline of a request; then `timeout`. */
  clientRequestMs: 30_000,
  /** Our own client: time for the close handshake; then the socket is cut. */
  clientCloseMs: 500,
  /** Our own client: requests that wait on one connection; more are refused at once. */
  clientPendingRequests: 4_096,
  /** Our own client: delay before it connects again, doubled at each failure up to the maximum. */
  clientReconnectMinMs: 250,
  clientReconnectMaxMs: 15_000,
  /** Bytes of one object key of a request; refused before it is parsed. */
  jsonKeyBytes: 1_024,
  /** Bytes of a request without its attachments, i.e. what is parsed in one go; refused. */
  parsedBytes: 2_097_152,
  /** Bytes at the start of a request in which its id and method are looked for before the rest is received. */
  frameHeadBytes: 4_096,
  /** WebSocket fragments of one message; more close the socket with 1008. */
  messageFragments: 4_096,
  /** Bytes of one connection's requests that wait; more are answered UNAVAILABLE with retryAfterMs. */
  connectionQueueBytes: 67_108_864,
  /** Time that requests are handled before the event loop turns once. */
  dispatchSliceMs: 8,
  /** Sockets that have proved nothing yet, from one peer and in total: the oldest one is dropped for a newcomer. */
  preAuthConnectionsPerPeer: 64,
  preAuthConnections: 512,
  /** WebSocket frames before `connect` is answered; more close the socket with 1008. */
  preAuthFrames: 16,
  /** A request without a proven credential that is being answered: dropped when it takes longer in all. */
  preAuthAnswerMs: 60_000,
  /** How long a socket may stay after our last word to it, and how many that proved nothing may; the oldest is destroyed for another. */
  socketCloseMs: 1_000,
  closingSockets: 128,
  /** An HTTP answer that waits and of which the peer has taken nothing for so long: the connection is destroyed. */
  unreadAnswerMs: 120_000,
  /** How often a credential that expires is looked at while something lives by it, at least. */
  credentialCheckMs: 3_600_000,
  /** Bytes of answers and events that wait to be read, over all clients; the client with the most is cut. */
  unreadBytes: 268_435_456,
  /** Bytes of answers that wait for one client: with more, its further requests are not read until it has read. */
  pausedReadingBytes: 1_048_576,
  /** Bytes of requests that are held, over all signed-in clients and of one credential; more are answered UNAVAILABLE with retryAfterMs. */
  heldRequestBytes: 268_435_456,
  heldRequestBytesPerCredential: 134_217_728,
  /** Bytes of request bodies without a proven credential, in total and of one peer; more are answered 503. */
  preAuthBodyBytes: 16_777_216,
  preAuthBodyBytesPerPeer: 4_194_304,
  /** Connected clients; more are refused UNAVAILABLE. */
  clients: 10_000,
  /** Time and size of a request head, and its number of headers; then 408 or 431. */
  httpHeadMs: 10_000,
  httpHeadBytes: 16_384,
  httpHeaders: 100,
  /** Time for a request body; then 408. Its size is a matter of the route. */
  httpBodyMs: 30_000,
  /** Body of a completion request (it may carry images); larger ones are answered 413. */
  httpBodyBytes: 26_214_400,
  /** Completion requests that run at the same time; more are answered 429. */
  httpCompletions: 64,
  /** Failed sign-ins of one peer and one kind of credential within the window; then guessable ones are refused unchecked. */
  signInFailures: 10,
  signInWindowMs: 60_000,
  signInLockMs: 300_000,
  /** Failed sign-ins of one kind from everywhere within the window; then guessable ones are refused for the rest of it. */
  signInFailuresTotal: 500,
  /** Peers whose failures are remembered; the oldest is forgotten. */
  signInPeers: 4_096,
  /** Life of a one-time sign-in link. */
  signInLinkMs: 600_000,
  /** Life of a named token for which no time is given. */
  serviceTokenMs: 90 * 86_400_000,
  /** Longest life of a named token that expires; a longer one is refused. */
  tokenLifeMs: 100 * 365 * 86_400_000,
  /** Devices that wait for approval; the oldest is forgotten. And how long they wait. */
  pendingDevices: 64,
  pendingDeviceMs: 86_400_000,
  /** Paired devices; more are refused until one is removed. */
  pairedDevices: 1_000,
  /** Allowed difference between the signing time of a device and our clock. */
  signatureSkewMs: 120_000,
  /** Topics that one connection watches; the oldest is dropped for another. */
  clientTopics: 1_024,
  /** Time that `stop` waits for clients to read their last frames. */
  stopMs: 500,
  /** `openclaw gateway stop` and `restart`: how long the command waits before it says that it has not happened. */
  cliStopMs: 10_000,
  cliRestartMs: 20_000,
  /** `openclaw agent`: default time for the whole turn. */
  cliTurnMs: 600_000,
  /** Characters of one platform id inside a session key; a longer one is cut and told apart by a hash. */
  sessionIdChars: 256,
  /** Characters of a session key that a client sends; a longer one is refused. */
  sessionKeyChars: 1_024,
  /** Sessions of one preview; more are refused. */
  previewKeys: 200,
  /** Messages that a search looks at, the newest matches first; the answer says when there were more. */
  searchMatches: 500,
  /** Words of a search; further ones are left out, and the answer says so. */
  searchWords: 16,
  /** Characters of the text around a match. */
  searchSnippetChars: 160,
  /** Messages of a conversation that is copied; a longer one is refused. */
  forkMessages: 5_000,
  /** How long a status note is shown unless the request says otherwise, in minutes. */
  statusNoteMinutes: 30,
  /** Characters of a message that is quoted to the agent when another one answers it; the rest is left out. */
  quoteChars: 2_000,
  /** Mention patterns of one agent; more are reported and not used. */
  mentionPatterns: 32,
  /** Characters of one mention pattern, and its states when repetitions are written out; a larger one is reported and not used. */
  mentionPatternChars: 200,
  mentionPatternStates: 512,
  /** Characters of a message in which mentions are looked for; the rest is not looked at. */
  mentionTextChars: 4_000,
  /** A channel connection that has not ended so long after its abort is left alone, without the right to write. */
  channelStopMs: 1_800,
  /** Pauses between attempts to connect: the first, doubled up to the last. There is no last attempt. */
  channelBackoffFirstMs: 500,
  channelBackoffLastMs: 300_000,
  /** Body of a request that a chat platform pushes; a larger one is refused. */
  hookBodyBytes: 1_048_576,
  /** Time for a connection to a platform's HTTP API to be made, in ms; then nothing was sent. */
  channelConnectMs: 10_000,
  /** One request to a platform's HTTP API, in ms; then its fate is unknown. */
  channelApiMs: 30_000,
  /** One answer of a platform's HTTP API; a longer one is a failure. */
  channelAnswerBytes: 16 * 1024 * 1024,
  /** One received file; larger ones are named to the agent and not fetched. */
  mediaBytes: 20 * 1024 * 1024,
  /** Kept files that nothing refers to are looked for this long after a start, and then this often. */
  mediaSweepFirstMs: 600_000,
  mediaSweepEveryMs: 21_600_000,
  /** A file that is younger than this may belong to a row that is still being written; it stays. */
  mediaGraceMs: 3_600_000,
  /** Rows that one step of that search reads, and the pause after it. */
  mediaSweepRows: 64,
  mediaSweepPauseMs: 10,
  /** Files of one answer; further `MEDIA:` lines stay text. */
  answerFiles: 10,
  /** Characters of the name of a sent file; the rest is cut. */
  fileNameChars: 120,
  /** Longest pause after which a line that a platform has slowed down is looked at again, whatever the platform asked for. */
  rateLimitPauseMaxMs: 3_600_000,
  /** Characters that are kept of a message that another one answers. */
  repliedChars: 4_000,
  /** A conversation over whose replies the gateway itself failed is looked at again after this time. */
  deliveryFailurePauseMs: 60_000,
  /** A preview begins with so many characters, or so long after the first one. */
  previewFirstChars: 24,
  previewFirstMs: 1_000,
  /** Pause between two edits of a preview; doubled each time that the platform asks to slow down, up to the maximum. */
  previewEditMs: 1_000,
  previewEditMaxMs: 30_000,
  /** "Is typing" is shown again after this time, and for no longer than the maximum in one turn. */
  typingRefreshMs: 5_000,
  typingMaxMs: 600_000,
  /** Files of one received message; further ones are counted to the agent and not fetched. */
  messageFiles: 10,
  /** A received file that is not here by then counts as not fetched; a channel may give up earlier when nothing comes. */
  mediaFetchMs: 60_000,
  /** Pause between two looks for a connection that is to fetch a file. */
  mediaLinkMs: 250,
  /** Bytes of a received text that the agent reads with the message, and characters of all of them; others are stored as files. */
  inlineFileBytes: 65_536,
  inlineFilesChars: 131_072,
  /** Events read by a channel that wait to be stored; then it stops reading until some are stored. */
  channelPendingEvents: 500,
  /** Bytes that a channel keeps under one key of its vault; a larger value is refused. */
  vaultValueBytes: 1_048_576,
  /** A channel outside of this package that is not loaded by then counts as broken. */
  channelLoadMs: 10_000,
  /** `channels.verify`: a platform that has not answered by then counts as not reachable. */
  channelVerifyMs: 20_000,
  /** `channels.logout`: how long the platform may take to end its session; the credentials here go in any case. */
  channelLogoutMs: 10_000,
  /** Idempotency keys of message actions that are remembered; a repeat of an older one is done again. */
  messageActionsCached: 500,
  /** A channel that stays broken for the same cause is told about once within this time. */
  ownerAlertIntervalMs: 3_600_000,
  /** A file that a client names by its address: the whole fetch, and how many redirects it may take; then it is refused. */
  guardedFetchMs: 30_000,
  guardedFetchRedirects: 3,
  /** An interactive login that nobody completes ends by then. */
  channelLoginMs: 300_000,
  /** Bytes of an isolated account's events that wait for the gateway; with more the platform is not acknowledged and repeats. */
  isolatedSpoolBytes: 67_108_864,
  /** Heap of the thread of an isolated account, in MiB; beyond it the thread ends and the account is started again. */
  isolatedHeapMib: 256,
  /** Young generation of that heap, in MiB; smaller ones are collected more often. */
  isolatedYoungMib: 8,
  /** The thread of an isolated account is asked this often whether it still runs, and is ended when it is silent for too long. */
  isolatedPingMs: 5_000,
  isolatedStuckMs: 30_000,
  /** A channel in a thread that has not ended so long after its abort is cut off. Less than channelStopMs. */
  isolatedStopMs: 1_000,
  /** When the connection of a thread has ended: how long requests that are under way may take to be confirmed; then nobody knows. */
  isolatedLingerMs: 5_000,
  /** Log lines of a thread between two pings; more are dropped, counted, and the count is logged. */
  isolatedLogLines: 2_000,
  /** Signs of life of a thread are told at most this often. */
  isolatedAliveMs: 1_000,
  /** Pause before events of a thread that the store has refused are offered again. */
  isolatedRetryMs: 1_000,
} as const;
