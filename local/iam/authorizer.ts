/**
 * Whether a role may make a call, by the policies the template gives it. IAM's rules for identity-based
 * policies in one account: an explicit deny wins, then one allow suffices, else the call is denied.
 */

import {
  AwsFault,
  type Authorizer,
  type JsonObject,
  type NeededPermission,
  type PolicyDocument,
} from "../contracts.ts";
import type { RequestContext } from "./conditions.ts";
import { compilePolicy, type Statement } from "./policy.ts";

export interface DeniedLine {
  readonly role: string;
  readonly action: string;
  readonly resource: string;
  /** The statement whose absence denies the call, ready to be pasted into the role's policy. */
  readonly missing: JsonObject;
  /** The statement that denies explicitly: with it, adding `missing` would not help. */
  readonly deniedBy?: JsonObject;
}

export interface AuthorizerOptions {
  /** The account of the roles, for messages. @default the account in the resource's ARN */
  readonly accountId?: string;
}

/** Verdicts kept, over all roles; when full they are forgotten and computed anew. */
const MAX_VERDICTS = 20_000;

interface Verdict {
  readonly allowed: boolean;
  readonly deniedBy?: JsonObject;
}

/**
 * Makes an authorizer.
 *
 * @param roles - By role name, its policies with intrinsics resolved.
 * @throws PolicyError that names a policy element, operator or value that is not supported.
 */
export function createAuthorizer(
  roles: ReadonlyMap<string, readonly PolicyDocument[]>,
  onDenied: (line: DeniedLine) => void,
  options: AuthorizerOptions = {},
): Authorizer {
  const statementsOf = new Map(
    [...roles].map(([role, documents]) => [
      role,
      documents.flatMap((document, index) => compilePolicy(document, `role ${role}, policy ${index + 1}`)),
    ]),
  );
  /** A verdict, or the statements that cover the call where conditions decide. */
  const kept = new Map<string, Verdict | readonly Statement[]>();

  const verdictOn = (role: string, needed: NeededPermission): Verdict => {
    const key = `${role}\n${needed.action}\n${needed.resource}`;
    let known = kept.get(key);
    if (known === undefined) {
      const covering = (statementsOf.get(role) ?? []).filter((statement) =>
        statement.covers(needed.action, needed.resource),
      );
      const isFixed = covering.every((statement) => statement.condition === undefined);
      known = isFixed ? decide(covering, new Map()) : covering;
      if (kept.size >= MAX_VERDICTS) kept.clear();
      kept.set(key, known);
    }
    return "allowed" in known ? known : decide(known, contextOf(needed));
  };

  return {
    authorize: (role, needed) => {
      let fault: AwsFault | undefined;
      for (const one of needed) {
        const verdict = verdictOn(role, one);
        if (verdict.allowed) continue;
        onDenied({
          role,
          action: one.action,
          resource: one.resource,
          missing: { Effect: "Allow", Action: one.action, Resource: one.resource },
          ...(verdict.deniedBy === undefined ? {} : { deniedBy: verdict.deniedBy }),
        });
        fault ??= denial(role, one, verdict, options.accountId);
      }
      if (fault !== undefined) throw fault;
    },
  };
}

function decide(covering: readonly Statement[], context: RequestContext): Verdict {
  const effective = covering.filter((statement) => statement.condition?.(context) ?? true);
  const deny = effective.find((statement) => statement.effect === "Deny");
  if (deny !== undefined) return { allowed: false, deniedBy: deny.source };
  return { allowed: effective.length > 0 };
}

/** Condition keys are not case-sensitive. */
function contextOf(needed: NeededPermission): RequestContext {
  return new Map(Object.entries(needed.context ?? {}).map(([key, values]) => [key.toLowerCase(), values]));
}

/** The error as AWS words it for a role's session, which on Lambda is named after the function. */
function denial(
  role: string,
  needed: NeededPermission,
  verdict: Verdict,
  accountId: string | undefined,
): AwsFault {
  const [, partition = "aws", , , resourceAccount = ""] = needed.resource.split(":");
  const account = accountId ?? (resourceAccount === "" ? "000000000000" : resourceAccount);
  const because =
    verdict.deniedBy === undefined
      ? `because no identity-based policy allows the ${needed.action} action`
      : "with an explicit deny in an identity-based policy";
  return new AwsFault(
    "AccessDeniedException",
    `User: arn:${partition}:sts::${account}:assumed-role/${role}/local is not authorized to perform: ` +
      `${needed.action} on resource: ${needed.resource} ${because}`,
    400,
  );
}
