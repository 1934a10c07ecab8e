/** The platform's own lines, in the form of the functions' lines. */
import type { Clock, JsonValue, LogLine } from "../contracts.ts";
import type { GatewayLogEntry } from "../gateway/settings.ts";
import type { DeniedLine } from "../iam/authorizer.ts";

export type OnLog = (line: LogLine) => void;

export interface PlatformLog {
  /** A line of one of the platform's parts, such as `lambda` or `template`. */
  write(part: string, level: "INFO" | "WARN" | "ERROR", message: JsonValue): void;
  gateway(entry: GatewayLogEntry): void;
  denied(line: DeniedLine): void;
}

export const platformLog = (clock: Clock, onLog: OnLog): PlatformLog => {
  const write = (part: string, level: string, message: JsonValue, requestId?: string): void =>
    onLog({
      timestamp: new Date(clock()).toISOString(),
      level,
      functionName: part,
      ...(requestId !== undefined && { requestId }),
      message,
    });
  return {
    write: (part, level, message) => write(part, level, message),
    gateway: ({ level, requestId, ...rest }) => write("api-gateway", level, rest, requestId),
    denied: ({ role, action, resource, missing, deniedBy }) =>
      write("iam", "ERROR", {
        message: `DENIED: role ${role} may not ${action} on ${resource}`,
        ...(deniedBy === undefined ? { missingStatement: missing } : { deniedBy }),
      }),
  };
};
