import { toSentence } from "../core/text.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { formatDuration } from "./terminal-text.ts";

type SignalRow = {
  signal: string;
  state: string;
  error: string | null;
  since: number;
  endpointFrom: string;
  protocol: string;
  waiting: number;
};

/** `telemetry` of the status of a gateway. Addresses of collectors are not part of it: they may contain credentials. */
export type TelemetryRow = {
  enabled: boolean;
  error: string | null;
  signals?: SignalRow[];
  stdoutLogs?: boolean;
  captureContent?: boolean;
  problems?: string[];
};

const SOURCES: Readonly<Record<string, string>> = {
  config: "endpoint from the configuration",
  environment: "endpoint from OTEL_EXPORTER_OTLP_*",
  default: "default endpoint http://localhost:4318",
};
const FIX = "start the collector, or correct diagnostics.otel in the configuration; openclaw logs --level warn shows when it failed.";

/** `traces ok for 5 min (http/protobuf, endpoint from the configuration); metrics failing ...` */
export function formatTelemetry(
  { enabled, error, signals = [], stdoutLogs, captureContent, problems = [] }: TelemetryRow,
  now: number,
): string {
  if (error !== null) return `could not be started: ${error}`;
  if (!enabled) return "off";
  const shown = signals.map(({ signal, state, since, endpointFrom, protocol, waiting, error: cause }) => {
    const detail = [protocol, SOURCES[endpointFrom] ?? endpointFrom, ...(waiting > 0 ? [`${waiting} waiting`] : [])].join(", ");
    const age = state === "idle" ? "" : ` for ${formatDuration(Math.max(0, now - since))}`;
    return `${signal} ${state === "idle" ? "nothing sent yet" : state}${age} (${detail})${cause === null ? "" : `: ${cause}`}`;
  });
  return [
    ...shown,
    ...(stdoutLogs ? ["logs on standard output"] : []),
    ...(captureContent ? ["with the content of messages"] : []),
    ...problems,
  ].join("; ");
}

/** None while telemetry is off. */
export function telemetryFindings({ enabled, error, signals = [], captureContent, problems = [] }: TelemetryRow): DoctorFinding[] {
  if (error !== null)
    return [
      {
        check: "telemetry",
        severity: "warning",
        title: "telemetry could not be started",
        why: toSentence(error),
        fix: "openclaw logs --level error",
      },
    ];
  if (!enabled) return [];
  return [
    ...signals.map(({ signal, state, error: cause }): DoctorFinding =>
      state === "failing"
        ? {
            check: `telemetry:${signal}`,
            severity: "warning",
            title: `${signal} are not exported`,
            why: toSentence(cause ?? "no cause was reported"),
            fix: FIX,
          }
        : okFinding(`telemetry:${signal}`, state === "ok" ? `${signal} are exported` : `${signal} will be exported; nothing was sent yet`),
    ),
    ...problems.map((problem): DoctorFinding => ({
      check: "telemetry",
      severity: "warning",
      title: "a setting of telemetry has no effect",
      why: toSentence(problem),
      fix: "correct it, then openclaw gateway restart.",
    })),
    ...(captureContent
      ? [
          {
            check: "telemetry-content",
            severity: "warning",
            title: "telemetry contains what people, models and tools say",
            why: "diagnostics.otel.captureContent is on: people with access to the collector can read conversations.",
            fix: "openclaw config set diagnostics.otel.captureContent false, unless it is meant.",
          } satisfies DoctorFinding,
        ]
      : []),
  ];
}
