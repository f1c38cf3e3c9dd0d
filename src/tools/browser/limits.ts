/** The limits of the browser: unit at the end of the name, behavior in the comment. */
export const BROWSER_LIMITS = {
  /** Tabs of one session, and of all. Above, no further one is opened; a window that a page opens is closed, and the result says so. */
  sessionTabs: 8,
  totalTabs: 24,
  /** Agents whose browser runs at the same time; more are refused. */
  browsers: 4,
  /** Without a call for this time the browsers and their driver end. Cookies stay, tabs do not. */
  idleMs: 300_000,
  /** How long a browser may take to start. */
  startMs: 20_000,
  /** How long the driver may take to close its browsers; then all of them are killed. */
  stopMs: 800,
  /** Longest wait of one call unless it says otherwise, for pages and for elements, and the most that a call may say. */
  pageMs: 30_000,
  elementMs: 10_000,
  maxCallMs: 120_000,
  /** Beyond the time of a call: then the driver is killed. */
  driverGraceMs: 5_000,
  /** A record between the gateway and the driver. A larger answer becomes an error; a larger one from the driver ends it. */
  recordBytes: 16_777_216,
  /** Content of a page in one result, with the signs in front of its lines; the result says how to read on. */
  contentBytes: 20_480,
  /** The same of what follows another action by itself. */
  compactBytes: 6_144,
  /** What is kept of a snapshot, to read on in it; the rest is left out, and the result says so. */
  snapshotChars: 2_000_000,
  /** Lines of the console, errors and requests that are kept of a tab, the oldest go first, and the characters of each. */
  logLines: 200,
  logLineChars: 500,
  /** How long an action waits for what it starts: a page, a dialog, a window, a download. */
  settleMs: 300,
  /** Then the page that it started is shown as far as it is there. */
  settlePageMs: 5_000,
  /** A larger file is neither downloaded nor uploaded. */
  fileBytes: 67_108_864,
  /** Downloads of a tab that wait to be saved; further ones are cancelled. */
  downloads: 5,
  /** Interval between looks at the size of a download. */
  downloadCheckMs: 200,
  /** Width and height of a picture; a larger one is scaled down. */
  imageSide: 2_000,
  /** Characters of base64 of a picture, below the 5 MB that providers accept; a larger one becomes a JPEG, then an error. */
  imageChars: 4_718_592,
  /** How long a list of tabs for people waits for the title of a page; one that is busy is shown without. */
  lookMs: 500,
  /** Characters of an address and a title in that list, and the last errors of a page that it has. */
  shownChars: 500,
  shownProblems: 20,
  /** How long an operator's look at cookies and storage waits for a page; then it is an error. */
  inspectMs: 10_000,
  /** Entries of a storage that are shown, and the characters of each value; the answer says what is left out. */
  storageEntries: 500,
  storageValueChars: 10_000,
  /** How long an element is marked for people. */
  highlightMs: 10_000,
  /** A trace that is not stopped is saved after this time. */
  traceMs: 600_000,
  /** Traces of an agent that are kept; older ones are removed when another one begins. */
  traces: 5,
  /** Actions of one batch; more are refused. */
  batchActions: 50,
} as const;
