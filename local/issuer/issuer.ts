/**
 * A token issuer for development: it signs a token for whoever asks, as any identity provider with a JWKS
 * does after a login. Its key lives as long as the platform, or as the data folder where there is one.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import type { Clock } from "../contracts.ts";
import { readBody } from "../front/body.ts";

/** Where the issuer answers on the platform's port. */
export const issuerPath = "/_issuer";

const algorithm = "ES256";
const defaultLifetimeSec = 3600;
const maxLifetimeSec = 30 * 86_400;
const maxUserIdLength = 1_000;
const maxBodyBytes = 16_384;

export interface IssuerOptions {
  /** `http://127.0.0.1:{port}`. */
  readonly origin: string;
  readonly audience: string;
  readonly clock: Clock;
  /** Keeps the key between runs. @default the key dies with the process */
  readonly dataDir?: string;
}

export interface TokenRequest {
  readonly userId: string;
  /** From now; zero or less makes a token that has expired. @default 3600 */
  readonly expiresInSec?: number;
  /** Epoch seconds before which the token is not valid. @default now */
  readonly notBefore?: number;
}

export interface Issuer {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly tokenUrl: string;
  token(request: TokenRequest): Promise<string>;
  /** Answers a request under `issuerPath`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export const createIssuer = async (options: IssuerOptions): Promise<Issuer> => {
  const privateJwk = await loadKey(options.dataDir);
  const key = await importJWK(privateJwk, algorithm);
  const kid = await calculateJwkThumbprint(privateJwk);
  const { d: _secret, ...publicJwk } = privateJwk;
  const keys = JSON.stringify({ keys: [{ ...publicJwk, kid, alg: algorithm, use: "sig" }] });
  const issuer = `${options.origin}${issuerPath}`;

  const token = async (request: TokenRequest): Promise<string> => {
    const now = Math.floor(options.clock() / 1000);
    return await new SignJWT({})
      .setProtectedHeader({ alg: algorithm, kid, typ: "JWT" })
      .setSubject(request.userId)
      .setIssuer(issuer)
      .setAudience(options.audience)
      .setIssuedAt(now)
      .setNotBefore(request.notBefore ?? now)
      .setExpirationTime(now + (request.expiresInSec ?? defaultLifetimeSec))
      .sign(key);
  };

  return {
    issuer,
    audience: options.audience,
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    tokenUrl: `${issuer}/token`,
    token,
    handle: async (request, response) => {
      allowLocalBrowsers(request, response);
      const path = (request.url ?? "").split("?")[0];
      if (request.method === "OPTIONS") return send(response, 204, "");
      if (request.method === "GET" && path === `${issuerPath}/.well-known/jwks.json`) {
        return send(response, 200, keys);
      }
      if (path !== `${issuerPath}/token`) return fail(response, 404, `nothing at ${path}`);
      if (request.method !== "POST") return fail(response, 405, "POST a token request");
      const parsed = parseTokenRequest((await readBody(request, maxBodyBytes))?.toString("utf8"));
      if (typeof parsed === "string") return fail(response, 400, parsed);
      return send(response, 200, JSON.stringify({ token: await token(parsed) }));
    },
  };
};

const loadKey = async (dataDir: string | undefined): Promise<JWK> => {
  const file = dataDir === undefined ? undefined : join(dataDir, "issuer-key.json");
  if (file !== undefined) {
    try {
      return JSON.parse(readFileSync(file, "utf8")) as JWK;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  if (file !== undefined) writeFileSync(file, JSON.stringify(jwk), { mode: 0o600 });
  return jwk;
};

/** The request, or what is wrong with it. */
const parseTokenRequest = (body: string | undefined): TokenRequest | string => {
  if (body === undefined) return `the body is over ${maxBodyBytes} bytes`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return "the body is not JSON";
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    return "the body is not an object";
  const { userId, expiresInSec, notBefore, ...rest } = parsed as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) return `${unknown} is not a field of a token request`;
  if (typeof userId !== "string" || userId.length === 0 || userId.length > maxUserIdLength) {
    return `userId must be a string of 1 to ${maxUserIdLength} characters`;
  }
  if (expiresInSec !== undefined && !isWholeUpTo(expiresInSec, maxLifetimeSec)) {
    return `expiresInSec must be a whole number of seconds, at most ${maxLifetimeSec}`;
  }
  if (notBefore !== undefined && !isWholeUpTo(notBefore, Number.MAX_SAFE_INTEGER)) {
    return "notBefore must be a whole number of seconds since 1970";
  }
  return {
    userId,
    ...(expiresInSec !== undefined && { expiresInSec }),
    ...(notBefore !== undefined && { notBefore }),
  };
};

const isWholeUpTo = (value: unknown, limit: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value <= limit;

/** A page on this machine may ask for tokens; a page from elsewhere that a developer has open may not. */
const allowLocalBrowsers = (request: IncomingMessage, response: ServerResponse): void => {
  const origin = request.headers.origin;
  if (origin === undefined || !/^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin)) return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.setHeader("Access-Control-Allow-Headers", "content-type");
  response.setHeader("Vary", "Origin");
};

const send = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { "Content-Type": "application/json" }).end(body);
};

const fail = (response: ServerResponse, status: number, message: string): void =>
  send(response, status, JSON.stringify({ message }));
