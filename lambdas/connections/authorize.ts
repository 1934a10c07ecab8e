/** Who may connect: [CON1] [CON2] [CON3] [CON4]. */
import { errors, type JWTPayload } from "jose";
import { bearerSubprotocolPrefix, deviceIdPattern, userIdPattern } from "../../protocol/limits.ts";
import { type Headers, header, offered } from "./handshake-headers.ts";

export type Decision =
  /** 401: no token, or not one that is good now. */
  | { readonly kind: "unauthorized"; readonly reason: string }
  /** 403: a good token, but not for this. */
  | { readonly kind: "forbidden"; readonly userId: string; readonly reason: string }
  | {
      readonly kind: "allowed";
      readonly userId: string;
      readonly deviceId: string;
      /** Epoch seconds. */
      readonly tokenExpiresAt: number;
    };

export interface HandshakeEvent {
  readonly headers: Headers;
  readonly queryStringParameters: Readonly<Record<string, string | undefined>> | null;
}

/** Verifies signature, issuer, audience, `exp` and `nbf`; rejects with jose's errors. */
export type VerifyToken = (token: string) => Promise<JWTPayload>;

/** Epoch second that stands for every later one. */
const latestExpiry = 1e12;

/** Rejects where the verdict could not be had (the issuer's keys out of reach): no statement on the token. */
export async function authorize(event: HandshakeEvent, verify: VerifyToken): Promise<Decision> {
  const token = tokenOf(event);
  if (token === undefined) return { kind: "unauthorized", reason: "no token" };
  const verdict = await verified(token, verify);
  if (!verdict.ok) return { kind: "unauthorized", reason: verdict.code };
  const { sub: userId, exp } = verdict.claims;
  if (userId === undefined || !userIdPattern.test(userId))
    return { kind: "unauthorized", reason: "unfit sub" };
  if (exp === undefined) return { kind: "unauthorized", reason: "no exp" };
  // Issuers may name a fraction of a second (RFC 7519), or a time that never comes: all that follows counts whole seconds.
  const tokenExpiresAt = Math.floor(Math.min(exp, latestExpiry));

  const deviceId = event.queryStringParameters?.["deviceId"] ?? "";
  if (!deviceIdPattern.test(deviceId)) return { kind: "forbidden", userId, reason: "unfit deviceId" };
  return { kind: "allowed", userId, deviceId, tokenExpiresAt };
}

/** Errors of jose that speak of the token; every other one speaks of us or of the issuer. */
const refusals: ReadonlySet<string> = new Set([
  errors.JWTExpired.code,
  errors.JWTClaimValidationFailed.code,
  errors.JWTInvalid.code,
  errors.JWSInvalid.code,
  errors.JWSSignatureVerificationFailed.code,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
  errors.JOSEAlgNotAllowed.code,
  errors.JOSENotSupported.code,
]);

async function verified(
  token: string,
  verify: VerifyToken,
): Promise<{ ok: true; claims: JWTPayload } | { ok: false; code: string }> {
  try {
    return { ok: true, claims: await verify(token) };
  } catch (error) {
    if (error instanceof errors.JOSEError && refusals.has(error.code)) return { ok: false, code: error.code };
    throw error;
  }
}

/** The header, or for browsers, which cannot set one, the list of subprotocols. Never the URL. */
function tokenOf({ headers }: HandshakeEvent): string | undefined {
  const bearer = /^Bearer +([^\s]+)$/i.exec(header(headers, "authorization") ?? "")?.[1];
  return bearer ?? offered(headers).find(isBearer)?.slice(bearerSubprotocolPrefix.length);
}

const isBearer = (protocol: string): boolean => protocol.startsWith(bearerSubprotocolPrefix);
